-- CreateTable
CREATE TABLE "PushDevice" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "user_id" UUID NOT NULL,
    "token" TEXT NOT NULL,
    "platform" TEXT NOT NULL,
    "registered_on" DATE NOT NULL,

    CONSTRAINT "PushDevice_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AccountDeletion" (
    "user_id" UUID NOT NULL,
    "firebase_uid" TEXT NOT NULL,
    "begun_at" TIMESTAMPTZ(0) NOT NULL,
    "erased_at" TIMESTAMPTZ(0),

    CONSTRAINT "AccountDeletion_pkey" PRIMARY KEY ("user_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "PushDevice_token_key" ON "PushDevice"("token");

-- CreateIndex
CREATE INDEX "PushDevice_user_id_idx" ON "PushDevice"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "AccountDeletion_firebase_uid_key" ON "AccountDeletion"("firebase_uid");

-- AddForeignKey
ALTER TABLE "PushDevice" ADD CONSTRAINT "PushDevice_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What the model cannot say: a row that breaks the design is refused, whoever writes it.

ALTER TABLE "PushDevice"
    ADD CONSTRAINT "PushDevice_token_check" CHECK (length(token) BETWEEN 1 AND 1024),
    ADD CONSTRAINT "PushDevice_platform_check" CHECK (platform IN ('android', 'ios', 'desktop'));
