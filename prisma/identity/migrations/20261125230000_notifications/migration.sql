-- CreateEnum
CREATE TYPE "DeliveryChannel" AS ENUM ('email', 'push');

-- CreateEnum
CREATE TYPE "DeliveryState" AS ENUM ('pending', 'sent', 'refused');

-- CreateEnum
CREATE TYPE "SubscriptionEventKind" AS ENUM ('started', 'renewed', 'cancelled', 'resumed', 'payment_failed', 'plan_changed', 'expired', 'revoked');

-- AlterTable
ALTER TABLE "User" ADD COLUMN "sign_in_providers" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "Notification" (
    "id" BIGSERIAL NOT NULL,
    "cause" TEXT NOT NULL,
    "kind" "NotificationKind" NOT NULL,
    "user_id" UUID,
    "facts" JSONB NOT NULL,
    "caused_at" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "Notification_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "NotificationDelivery" (
    "id" BIGSERIAL NOT NULL,
    "notification_id" BIGINT NOT NULL,
    "user_id" UUID,
    "channel" "DeliveryChannel" NOT NULL,
    "device_id" UUID,
    "address" TEXT,
    "state" "DeliveryState" NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "claimed_until" TIMESTAMPTZ(3),
    "reason" TEXT,

    CONSTRAINT "NotificationDelivery_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "DeliveryPause" (
    "channel" "DeliveryChannel" NOT NULL,
    "failures" INTEGER NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "DeliveryPause_pkey" PRIMARY KEY ("channel")
);

-- CreateTable
CREATE TABLE "SubscriptionEvent" (
    "id" BIGSERIAL NOT NULL,
    "user_id" UUID NOT NULL,
    "provider" "SubscriptionProvider" NOT NULL,
    "kind" "SubscriptionEventKind" NOT NULL,
    "plan_id" TEXT NOT NULL,
    "until" TIMESTAMPTZ(0) NOT NULL,
    "at" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "SubscriptionEvent_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Notification_cause_key" ON "Notification"("cause");

-- CreateIndex
CREATE INDEX "Notification_user_id_idx" ON "Notification"("user_id");

-- CreateIndex
CREATE INDEX "Notification_caused_at_idx" ON "Notification"("caused_at");

-- CreateIndex
CREATE INDEX "NotificationDelivery_channel_id_idx" ON "NotificationDelivery"("channel", "id") WHERE (state = 'pending'::"DeliveryState");

-- CreateIndex
CREATE INDEX "NotificationDelivery_notification_id_idx" ON "NotificationDelivery"("notification_id");

-- CreateIndex
CREATE INDEX "NotificationDelivery_user_id_idx" ON "NotificationDelivery"("user_id");

-- CreateIndex
CREATE INDEX "NotificationDelivery_device_id_idx" ON "NotificationDelivery"("device_id");

-- CreateIndex
CREATE INDEX "SubscriptionEvent_user_id_at_id_idx" ON "SubscriptionEvent"("user_id", "at" DESC, "id");

-- AddForeignKey
ALTER TABLE "Notification" ADD CONSTRAINT "Notification_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "NotificationDelivery" ADD CONSTRAINT "NotificationDelivery_notification_id_fkey" FOREIGN KEY ("notification_id") REFERENCES "Notification"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "NotificationDelivery" ADD CONSTRAINT "NotificationDelivery_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "NotificationDelivery" ADD CONSTRAINT "NotificationDelivery_device_id_fkey" FOREIGN KEY ("device_id") REFERENCES "PushDevice"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SubscriptionEvent" ADD CONSTRAINT "SubscriptionEvent_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SubscriptionEvent" ADD CONSTRAINT "SubscriptionEvent_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "Plan"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "User"
    ADD CONSTRAINT "User_sign_in_providers_check"
        CHECK (sign_in_providers IS NOT NULL AND array_position(sign_in_providers, NULL) IS NULL);

-- Only of an account that is gone is there nobody to tell. (As text: see the migration of the payments.)
ALTER TABLE "Notification"
    ADD CONSTRAINT "Notification_cause_check" CHECK (length(cause) BETWEEN 1 AND 200),
    ADD CONSTRAINT "Notification_user_id_check" CHECK (user_id IS NOT NULL OR kind::text = 'account_deleted');

-- An address stands beside a notice only until it is sent.
ALTER TABLE "NotificationDelivery"
    ADD CONSTRAINT "NotificationDelivery_device_id_check" CHECK ((channel::text = 'push') = (device_id IS NOT NULL)),
    ADD CONSTRAINT "NotificationDelivery_address_check" CHECK (address IS NULL OR (state::text = 'pending' AND user_id IS NULL)),
    ADD CONSTRAINT "NotificationDelivery_reason_check" CHECK (state::text <> 'refused' OR reason IS NOT NULL);

ALTER TABLE "DeliveryPause"
    ADD CONSTRAINT "DeliveryPause_failures_check" CHECK (failures > 0);
