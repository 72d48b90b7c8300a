-- CreateEnum
CREATE TYPE "PaymentProvider" AS ENUM ('stripe', 'apple');

-- CreateEnum
CREATE TYPE "PriceInterval" AS ENUM ('month', 'year');

-- CreateEnum
CREATE TYPE "PaymentKind" AS ENUM ('charge', 'refund', 'dispute', 'reversal');

-- CreateEnum
CREATE TYPE "WebhookState" AS ENUM ('pending', 'done', 'parked');

-- AlterEnum

ALTER TYPE "SubscriptionProvider" ADD VALUE 'stripe';
ALTER TYPE "SubscriptionProvider" ADD VALUE 'apple';
ALTER TYPE "SubscriptionProvider" ADD VALUE 'operator';

-- AlterTable
ALTER TABLE "User" ADD COLUMN     "apple_account_token" UUID NOT NULL DEFAULT gen_random_uuid(),
ADD COLUMN     "stripe_customer_id" TEXT;

-- AlterTable
ALTER TABLE "Subscription" ADD COLUMN     "fetch_ticket" BIGINT;

-- AlterTable
ALTER TABLE "TrialGrant" ADD COLUMN     "holder" BYTEA;

-- AlterTable
ALTER TABLE "AccessBlock" ADD COLUMN     "fetch_ticket" BIGINT,
ADD COLUMN     "provider_ref" TEXT;

-- CreateTable
CREATE TABLE "PlanPrice" (
    "provider" "PaymentProvider" NOT NULL,
    "price_ref" TEXT NOT NULL,
    "plan_id" TEXT NOT NULL,
    "interval" "PriceInterval" NOT NULL,
    "amount" INTEGER,
    "currency" TEXT,
    "offered" BOOLEAN NOT NULL,

    CONSTRAINT "PlanPrice_pkey" PRIMARY KEY ("provider","price_ref")
);

-- CreateTable
CREATE TABLE "PaymentHistory" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID,
    "provider" "PaymentProvider" NOT NULL,
    "provider_ref" TEXT NOT NULL,
    "kind" "PaymentKind" NOT NULL,
    "amount" INTEGER NOT NULL,
    "currency" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "PaymentHistory_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "WebhookEvent" (
    "id" BIGSERIAL NOT NULL,
    "provider" "PaymentProvider" NOT NULL,
    "event_id" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "lookup" TEXT NOT NULL,
    "occurred_at" TIMESTAMPTZ(0) NOT NULL,
    "received_at" TIMESTAMPTZ(0) NOT NULL,
    "state" "WebhookState" NOT NULL DEFAULT 'pending',
    "reason" TEXT,

    CONSTRAINT "WebhookEvent_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "CheckoutLease" (
    "user_id" UUID NOT NULL,
    "attempt" UUID NOT NULL,
    "until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "CheckoutLease_pkey" PRIMARY KEY ("user_id")
);

-- CreateTable
CREATE TABLE "AuditEvent" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(0) NOT NULL,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "user_id" UUID,
    "reason" TEXT NOT NULL,

    CONSTRAINT "AuditEvent_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "PlanPrice_plan_id_provider_interval_key" ON "PlanPrice"("plan_id", "provider", "interval") WHERE (offered);

-- CreateIndex
CREATE UNIQUE INDEX "PaymentHistory_provider_ref_key" ON "PaymentHistory"("provider_ref");

-- CreateIndex
CREATE INDEX "PaymentHistory_user_id_occurred_at_id_idx" ON "PaymentHistory"("user_id", "occurred_at" DESC, "id");

-- CreateIndex
CREATE INDEX "WebhookEvent_provider_lookup_idx" ON "WebhookEvent"("provider", "lookup") WHERE (state <> 'done'::"WebhookState");

-- CreateIndex
CREATE INDEX "WebhookEvent_received_at_idx" ON "WebhookEvent"("received_at");

-- CreateIndex
CREATE UNIQUE INDEX "WebhookEvent_provider_event_id_key" ON "WebhookEvent"("provider", "event_id");

-- CreateIndex
CREATE INDEX "AuditEvent_user_id_idx" ON "AuditEvent"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "User_stripe_customer_id_key" ON "User"("stripe_customer_id");

-- CreateIndex
CREATE UNIQUE INDEX "User_apple_account_token_key" ON "User"("apple_account_token");

-- CreateIndex
CREATE UNIQUE INDEX "AccessBlock_provider_ref_key" ON "AccessBlock"("provider_ref");

-- AddForeignKey
ALTER TABLE "PlanPrice" ADD CONSTRAINT "PlanPrice_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "Plan"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "PaymentHistory" ADD CONSTRAINT "PaymentHistory_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "CheckoutLease" ADD CONSTRAINT "CheckoutLease_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AuditEvent" ADD CONSTRAINT "AuditEvent_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "PlanPrice"
    ADD CONSTRAINT "PlanPrice_amount_check" CHECK (amount > 0),
    ADD CONSTRAINT "PlanPrice_currency_check" CHECK (currency ~ '^[a-z]{3}$'),
    ADD CONSTRAINT "PlanPrice_money_check" CHECK ((amount IS NULL) = (currency IS NULL));

-- The kind says which way money went.
ALTER TABLE "PaymentHistory"
    ADD CONSTRAINT "PaymentHistory_amount_check" CHECK (amount >= 0),
    ADD CONSTRAINT "PaymentHistory_currency_check" CHECK (currency ~ '^[a-z]{3}$');

-- A row of a provider is written under a ticket, or an old answer could overwrite it. (As text: a value of an enum that
-- this migration adds cannot be used in it.)
ALTER TABLE "Subscription"
    ADD CONSTRAINT "Subscription_fetch_ticket_check" CHECK ((fetch_ticket IS NOT NULL) = (provider::text IN ('stripe', 'apple')));

ALTER TABLE "AccessBlock"
    ADD CONSTRAINT "AccessBlock_fetch_ticket_check" CHECK ((fetch_ticket IS NULL) = (provider_ref IS NULL));

-- An HMAC-SHA256.
ALTER TABLE "TrialGrant"
    ADD CONSTRAINT "TrialGrant_holder_check" CHECK (octet_length(holder) = 32);

ALTER TABLE "WebhookEvent"
    ADD CONSTRAINT "WebhookEvent_reason_check" CHECK ((state = 'parked') = (reason IS NOT NULL));

ALTER TABLE "AuditEvent"
    ADD CONSTRAINT "AuditEvent_reason_check" CHECK (length(reason) BETWEEN 1 AND 500);
