-- A name that says what it holds. Nothing but the name changes; a process of the release before cannot run beside it.

ALTER TABLE "Upkeep" RENAME TO "MaintenanceRun";
ALTER INDEX "Upkeep_pkey" RENAME TO "MaintenanceRun_pkey";
