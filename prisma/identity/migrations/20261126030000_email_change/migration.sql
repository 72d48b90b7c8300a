-- AlterEnum
ALTER TYPE "NotificationKind" ADD VALUE 'email_change_asked' BEFORE 'account_deleted';

-- AlterEnum
ALTER TYPE "NotificationKind" ADD VALUE 'email_change_link' BEFORE 'account_deleted';

-- What the model cannot say. An address stands beside a notice only until it is sent, now also beside those of people who
-- stay: the two mails of a change of address go where the person is reached no more, or not yet.
ALTER TABLE "NotificationDelivery"
    DROP CONSTRAINT "NotificationDelivery_address_check",
    ADD CONSTRAINT "NotificationDelivery_address_check" CHECK (address IS NULL OR state::text = 'pending');
