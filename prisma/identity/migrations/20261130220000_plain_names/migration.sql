-- Plain names for columns, a table, an enum value and maintenance jobs. A process of the release before cannot run beside it.

ALTER TABLE "Subscription" RENAME COLUMN "fetch_ticket" TO "fetch_version";
ALTER TABLE "Subscription" RENAME CONSTRAINT "Subscription_fetch_ticket_check" TO "Subscription_fetch_version_check";

ALTER TABLE "AccessBlock" RENAME COLUMN "fetch_ticket" TO "fetch_version";
ALTER TABLE "AccessBlock" RENAME CONSTRAINT "AccessBlock_fetch_ticket_check" TO "AccessBlock_fetch_version_check";

ALTER TABLE "TrialGrant" RENAME COLUMN "holder" TO "claimed_by";
ALTER TABLE "TrialGrant" RENAME CONSTRAINT "TrialGrant_holder_check" TO "TrialGrant_claimed_by_check";

ALTER TABLE "WebhookEvent" RENAME COLUMN "lookup" TO "object_ref";
ALTER INDEX "WebhookEvent_provider_lookup_idx" RENAME TO "WebhookEvent_provider_object_ref_idx";
ALTER TYPE "WebhookState" RENAME VALUE 'parked' TO 'dead_lettered';

ALTER TABLE "Notification" RENAME COLUMN "facts" TO "payload";

ALTER TABLE "Upkeep" RENAME TO "MaintenanceRun";
ALTER INDEX "Upkeep_pkey" RENAME TO "MaintenanceRun_pkey";

UPDATE "MaintenanceRun" SET name = 'timed-notifications' WHERE name = 'timed-notices';
UPDATE "MaintenanceRun" SET name = 'purge-failed-jobs' WHERE name = 'given-up-jobs';
UPDATE "MaintenanceRun" SET name = 'payment-inbox-requeue' WHERE name = 'payment-inbox-revive';
UPDATE "MaintenanceRun" SET name = 'account-deletions-requeue' WHERE name = 'account-deletions-revive';
