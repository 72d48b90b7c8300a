-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "network";

-- CreateEnum
CREATE TYPE "NodeStatus" AS ENUM ('healthy', 'unhealthy', 'draining', 'retired');

-- CreateEnum
CREATE TYPE "ConnectionStatus" AS ENUM ('pending', 'active', 'ending', 'ended');

-- CreateEnum
CREATE TYPE "DnsBlocking" AS ENUM ('none', 'ads', 'ads_trackers_malware');

-- CreateTable
CREATE TABLE "Location" (
    "id" TEXT NOT NULL,
    "country" CHAR(2) NOT NULL,
    "city" TEXT NOT NULL,
    "latitude" DOUBLE PRECISION NOT NULL,
    "longitude" DOUBLE PRECISION NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,

    CONSTRAINT "Location_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Node" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "location_id" TEXT NOT NULL,
    "public_key" BYTEA NOT NULL,
    "ip" INET NOT NULL,
    "ip_v6" INET,
    "port" INTEGER NOT NULL,
    "capacity" INTEGER NOT NULL,
    "current_load" INTEGER NOT NULL DEFAULT 0,
    "status" "NodeStatus" NOT NULL,
    "last_pulse_at" TIMESTAMPTZ(0) NOT NULL,
    "credential_hash" BYTEA NOT NULL,
    "next_credential_hash" BYTEA,
    "enrolled_with" BYTEA NOT NULL,
    "enrolled_at" TIMESTAMPTZ(0) NOT NULL,
    "agent_version" TEXT,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "EnrolmentToken" (
    "hash" BYTEA NOT NULL,
    "location_id" TEXT NOT NULL,
    "uses_left" INTEGER NOT NULL,
    "expires_at" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "EnrolmentToken_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "Connection" (
    "id" UUID NOT NULL,
    "key_id" BYTEA NOT NULL,
    "status" "ConnectionStatus" NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "node_id" UUID,
    "slot" INTEGER,
    "public_key" BYTEA,
    "salt" BYTEA,
    "secret_key_id" BYTEA,
    "secret_hash" BYTEA,
    "dns_blocking" "DnsBlocking",
    "started_on" DATE,
    "expires_at" TIMESTAMPTZ(0),

    CONSTRAINT "Connection_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "VerifierKey" (
    "key_id" BYTEA NOT NULL,
    "spki" BYTEA NOT NULL,
    "not_before" TIMESTAMPTZ(0) NOT NULL,
    "sign_until" TIMESTAMPTZ(0) NOT NULL,
    "verify_until" TIMESTAMPTZ(0) NOT NULL,
    "denied_at" TIMESTAMPTZ(0),

    CONSTRAINT "VerifierKey_pkey" PRIMARY KEY ("key_id")
);

-- CreateTable
CREATE TABLE "UsageTally" (
    "epoch" DATE NOT NULL,
    "location_id" TEXT NOT NULL,
    "redemptions" INTEGER NOT NULL,
    "peak" INTEGER NOT NULL,

    CONSTRAINT "UsageTally_pkey" PRIMARY KEY ("epoch","location_id")
);

-- CreateTable
CREATE TABLE "DailyUsage" (
    "epoch" DATE NOT NULL,
    "location_id" TEXT NOT NULL,
    "redemptions" TEXT NOT NULL,
    "peak" TEXT NOT NULL,

    CONSTRAINT "DailyUsage_pkey" PRIMARY KEY ("epoch","location_id")
);

-- CreateTable
CREATE TABLE "Upkeep" (
    "name" TEXT NOT NULL,
    "last_at" TIMESTAMPTZ(0) NOT NULL,
    "since" TIMESTAMPTZ(0) NOT NULL,

    CONSTRAINT "Upkeep_pkey" PRIMARY KEY ("name")
);

-- CreateIndex
CREATE UNIQUE INDEX "Node_public_key_key" ON "Node"("public_key");

-- CreateIndex
CREATE INDEX "Node_location_id_idx" ON "Node"("location_id");

-- CreateIndex
CREATE UNIQUE INDEX "Connection_public_key_key" ON "Connection"("public_key");

-- CreateIndex
CREATE UNIQUE INDEX "Connection_secret_hash_key" ON "Connection"("secret_hash");

-- CreateIndex
CREATE INDEX "Connection_outbox_idx" ON "Connection"("node_id") WHERE (status IN ('pending', 'ending'));

-- CreateIndex
CREATE INDEX "Connection_expires_at_idx" ON "Connection"("expires_at") WHERE (status <> 'ended');

-- CreateIndex
CREATE INDEX "Connection_key_id_idx" ON "Connection"("key_id") WHERE (status = 'ended');

-- CreateIndex
CREATE UNIQUE INDEX "Connection_node_id_slot_key" ON "Connection"("node_id", "slot");

-- AddForeignKey
ALTER TABLE "Node" ADD CONSTRAINT "Node_location_id_fkey" FOREIGN KEY ("location_id") REFERENCES "Location"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "EnrolmentToken" ADD CONSTRAINT "EnrolmentToken_location_id_fkey" FOREIGN KEY ("location_id") REFERENCES "Location"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "Location"
    ADD CONSTRAINT "Location_id_check" CHECK (id ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    ADD CONSTRAINT "Location_country_check" CHECK (country ~ '^[A-Z]{2}$'),
    ADD CONSTRAINT "Location_latitude_check" CHECK (latitude BETWEEN -90 AND 90),
    ADD CONSTRAINT "Location_longitude_check" CHECK (longitude BETWEEN -180 AND 180);

-- At most 60,000 peers: slots are hosts 256 and up of a /16.
ALTER TABLE "Node"
    ADD CONSTRAINT "Node_public_key_check" CHECK (octet_length(public_key) = 32),
    ADD CONSTRAINT "Node_ip_check" CHECK (family(ip) = 4 AND masklen(ip) = 32),
    ADD CONSTRAINT "Node_ip_v6_check" CHECK (family(ip_v6) = 6 AND masklen(ip_v6) = 128),
    ADD CONSTRAINT "Node_port_check" CHECK (port BETWEEN 1 AND 65535),
    ADD CONSTRAINT "Node_capacity_check" CHECK (capacity BETWEEN 1 AND 60000),
    ADD CONSTRAINT "Node_current_load_check" CHECK (current_load BETWEEN 0 AND 100),
    ADD CONSTRAINT "Node_credentials_check"
        CHECK (octet_length(credential_hash) = 32 AND octet_length(next_credential_hash) = 32),
    ADD CONSTRAINT "Node_enrolled_with_check" CHECK (octet_length(enrolled_with) = 32);

ALTER TABLE "EnrolmentToken"
    ADD CONSTRAINT "EnrolmentToken_hash_check" CHECK (octet_length(hash) = 32),
    ADD CONSTRAINT "EnrolmentToken_uses_left_check" CHECK (uses_left >= 0);

-- A live row has everything its peer needs; an ended one is a bare tombstone. No finer time than the hour.
ALTER TABLE "Connection"
    ADD CONSTRAINT "Connection_key_id_check" CHECK (octet_length(key_id) = 32),
    ADD CONSTRAINT "Connection_revision_check" CHECK (revision >= 1),
    ADD CONSTRAINT "Connection_slot_check" CHECK (slot BETWEEN 1 AND 60000),
    ADD CONSTRAINT "Connection_public_key_check" CHECK (octet_length(public_key) = 32),
    ADD CONSTRAINT "Connection_salt_check" CHECK (octet_length(salt) = 16),
    ADD CONSTRAINT "Connection_secret_check" CHECK (octet_length(secret_key_id) = 8 AND octet_length(secret_hash) = 32),
    ADD CONSTRAINT "Connection_expires_at_hour_check" CHECK (expires_at = date_trunc('hour', expires_at, 'UTC')),
    ADD CONSTRAINT "Connection_erased_at_end_check" CHECK (
        num_nonnulls(node_id, slot, public_key, salt, secret_key_id, secret_hash, dns_blocking, started_on, expires_at)
        = CASE WHEN status = 'ended' THEN 0 ELSE 9 END
    );

-- A key id is a SHA-256; the SPKI of an RSA-2048 key with the RSASSA-PSS parameters of RFC 9578 has 342 bytes.
ALTER TABLE "VerifierKey"
    ADD CONSTRAINT "VerifierKey_key_id_check" CHECK (octet_length(key_id) = 32),
    ADD CONSTRAINT "VerifierKey_spki_check" CHECK (octet_length(spki) = 342),
    ADD CONSTRAINT "VerifierKey_times_check" CHECK (not_before < sign_until AND sign_until <= verify_until);

ALTER TABLE "UsageTally"
    ADD CONSTRAINT "UsageTally_counts_check" CHECK (redemptions >= 0 AND peak >= 0);

-- A count below 20 is not kept: it could speak of a few people.
ALTER TABLE "DailyUsage"
    ADD CONSTRAINT "DailyUsage_redemptions_check" CHECK (redemptions ~ '^(<20|[2-9][0-9]|[1-9][0-9]{2,})$'),
    ADD CONSTRAINT "DailyUsage_peak_check" CHECK (peak ~ '^(<20|[2-9][0-9]|[1-9][0-9]{2,})$');
