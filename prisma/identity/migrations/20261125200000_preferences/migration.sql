-- CreateEnum
CREATE TYPE "DnsBlocking" AS ENUM ('none', 'ads', 'ads_trackers_malware');

-- CreateEnum
CREATE TYPE "NotificationKind" AS ENUM ('welcome', 'email_verified', 'trial_ending', 'payment_failed', 'grace_ending', 'renewed', 'cancelled', 'expired', 'refunded', 'plan_changed', 'sign_in_provider_added', 'signed_out_everywhere', 'account_deleted', 'maintenance');

-- CreateTable
CREATE TABLE "UserPreferences" (
    "user_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "default_location" TEXT,
    "dns_blocking" "DnsBlocking" NOT NULL,
    "endpoint_port" INTEGER,
    "locale" TEXT NOT NULL,
    "muted_email" "NotificationKind"[],
    "muted_push" "NotificationKind"[],

    CONSTRAINT "UserPreferences_pkey" PRIMARY KEY ("user_id")
);

-- AddForeignKey
ALTER TABLE "UserPreferences" ADD CONSTRAINT "UserPreferences_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "UserPreferences"
    ADD CONSTRAINT "UserPreferences_version_check" CHECK (version > 0),
    ADD CONSTRAINT "UserPreferences_default_location_check" CHECK (length(default_location) BETWEEN 1 AND 64),
    ADD CONSTRAINT "UserPreferences_endpoint_port_check" CHECK (endpoint_port BETWEEN 1 AND 65535),
    ADD CONSTRAINT "UserPreferences_muted_check"
        CHECK (muted_email IS NOT NULL AND array_position(muted_email, NULL) IS NULL
            AND muted_push IS NOT NULL AND array_position(muted_push, NULL) IS NULL);
