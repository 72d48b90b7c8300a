-- A plain name for a table. A process of the release before cannot run beside it.

ALTER TABLE "Upkeep" RENAME TO "MaintenanceRun";
ALTER INDEX "Upkeep_pkey" RENAME TO "MaintenanceRun_pkey";
