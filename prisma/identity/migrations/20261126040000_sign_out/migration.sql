-- AlterTable
ALTER TABLE "User" ADD COLUMN "signed_out_at" TIMESTAMPTZ(0);

-- What the model cannot say. The last push to a device that was signed out carries the device's token itself, as an address.
ALTER TABLE "NotificationDelivery"
    DROP CONSTRAINT "NotificationDelivery_device_id_check",
    ADD CONSTRAINT "NotificationDelivery_device_id_check" CHECK (device_id IS NULL OR channel::text = 'push');
