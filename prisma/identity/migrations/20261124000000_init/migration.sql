-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "identity";

-- CreateEnum
CREATE TYPE "SubscriptionProvider" AS ENUM ('trial');

-- CreateEnum
CREATE TYPE "SubscriptionStatus" AS ENUM ('PENDING', 'TRIAL', 'ACTIVE', 'GRACE', 'SUSPENDED', 'EXPIRED', 'REVOKED');

-- CreateEnum
CREATE TYPE "BlockReason" AS ENUM ('dispute', 'abuse');

-- CreateTable
CREATE TABLE "User" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "firebase_uid" TEXT NOT NULL,
    "email" TEXT,
    "email_verified" BOOLEAN NOT NULL DEFAULT false,
    "created_on" DATE NOT NULL,

    CONSTRAINT "User_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Plan" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "daily_tokens" INTEGER NOT NULL,

    CONSTRAINT "Plan_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Subscription" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "provider" "SubscriptionProvider" NOT NULL,
    "provider_ref" TEXT NOT NULL,
    "plan_id" TEXT NOT NULL,
    "status" "SubscriptionStatus" NOT NULL,
    "paid_through" TIMESTAMPTZ(0) NOT NULL,
    "grace_until" TIMESTAMPTZ(0),
    "cancel_at_period_end" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "Subscription_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "TrialGrant" (
    "hash" BYTEA NOT NULL,
    "granted_on" DATE NOT NULL,

    CONSTRAINT "TrialGrant_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "AccessBlock" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "reason" "BlockReason" NOT NULL,
    "lifted_on" DATE,

    CONSTRAINT "AccessBlock_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "IssuerKey" (
    "key_id" BYTEA NOT NULL,
    "spki" BYTEA NOT NULL,
    "encrypted_private_key" BYTEA,
    "sign_from" TIMESTAMPTZ(0) NOT NULL,
    "sign_until" TIMESTAMPTZ(0) NOT NULL,
    "verify_until" TIMESTAMPTZ(0) NOT NULL,
    "retired_at" TIMESTAMPTZ(0),

    CONSTRAINT "IssuerKey_pkey" PRIMARY KEY ("key_id")
);

-- CreateTable
CREATE TABLE "TokenIssuance" (
    "user_id" UUID NOT NULL,
    "key_id" BYTEA NOT NULL,
    "plan_id" TEXT NOT NULL,
    "hashes" BYTEA[],

    CONSTRAINT "TokenIssuance_pkey" PRIMARY KEY ("user_id","key_id")
);

-- CreateTable
CREATE TABLE "DailyIssuance" (
    "key_id" BYTEA NOT NULL,
    "plan_id" TEXT NOT NULL,
    "epoch" DATE NOT NULL,
    "tokens" TEXT NOT NULL,

    CONSTRAINT "DailyIssuance_pkey" PRIMARY KEY ("key_id","plan_id")
);

-- CreateTable
CREATE TABLE "Upkeep" (
    "name" TEXT NOT NULL,
    "last_at" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "Upkeep_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "User_firebase_uid_key" ON "User"("firebase_uid");

-- CreateIndex
CREATE UNIQUE INDEX "Subscription_provider_ref_key" ON "Subscription"("provider_ref");

-- CreateIndex
CREATE INDEX "Subscription_user_id_idx" ON "Subscription"("user_id");

-- CreateIndex
CREATE INDEX "AccessBlock_user_id_idx" ON "AccessBlock"("user_id");

-- CreateIndex
CREATE INDEX "IssuerKey_verify_until_idx" ON "IssuerKey"("verify_until");

-- CreateIndex
CREATE UNIQUE INDEX "IssuerKey_sign_from_key" ON "IssuerKey"("sign_from") WHERE (retired_at IS NULL);

-- CreateIndex
CREATE INDEX "TokenIssuance_key_id_idx" ON "TokenIssuance"("key_id");

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Subscription" ADD CONSTRAINT "Subscription_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "Plan"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "AccessBlock" ADD CONSTRAINT "AccessBlock_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TokenIssuance" ADD CONSTRAINT "TokenIssuance_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TokenIssuance" ADD CONSTRAINT "TokenIssuance_key_id_fkey" FOREIGN KEY ("key_id") REFERENCES "IssuerKey"("key_id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "TokenIssuance" ADD CONSTRAINT "TokenIssuance_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "Plan"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "User"
    ADD CONSTRAINT "User_firebase_uid_check" CHECK (length(firebase_uid) BETWEEN 1 AND 128);

ALTER TABLE "Plan"
    ADD CONSTRAINT "Plan_daily_tokens_check" CHECK (daily_tokens >= 0);

-- An HMAC-SHA256.
ALTER TABLE "TrialGrant"
    ADD CONSTRAINT "TrialGrant_hash_check" CHECK (octet_length(hash) = 32);

-- A key id is a SHA-256; the SPKI of an RSA-2048 key with the RSASSA-PSS parameters of RFC 9578 has 342 bytes.
ALTER TABLE "IssuerKey"
    ADD CONSTRAINT "IssuerKey_key_id_check" CHECK (octet_length(key_id) = 32),
    ADD CONSTRAINT "IssuerKey_spki_check" CHECK (octet_length(spki) = 342),
    ADD CONSTRAINT "IssuerKey_times_check" CHECK (sign_from < sign_until AND sign_until <= verify_until);

ALTER TABLE "TokenIssuance"
    ADD CONSTRAINT "TokenIssuance_key_id_check" CHECK (octet_length(key_id) = 32),
    ADD CONSTRAINT "TokenIssuance_hashes_check"
        CHECK (hashes IS NOT NULL AND cardinality(hashes) >= 1 AND array_position(hashes, NULL) IS NULL);

-- A count below 20 is not kept: it could speak of a few people.
ALTER TABLE "DailyIssuance"
    ADD CONSTRAINT "DailyIssuance_key_id_check" CHECK (octet_length(key_id) = 32),
    ADD CONSTRAINT "DailyIssuance_tokens_check" CHECK (tokens ~ '^(<20|[2-9][0-9]|[1-9][0-9]{2,})$');
