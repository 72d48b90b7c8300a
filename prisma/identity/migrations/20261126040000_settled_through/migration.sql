-- AlterTable
ALTER TABLE "Subscription" ADD COLUMN "settled_through" TIMESTAMPTZ(0);
