-- What a node has to add comes before what it has to remove, however much that is.

DROP INDEX "Connection_outbox_idx";

CREATE INDEX "Connection_outbox_idx" ON "Connection"("node_id", "status") WHERE (status IN ('pending', 'ending'));
