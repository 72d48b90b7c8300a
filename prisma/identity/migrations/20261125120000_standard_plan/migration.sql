-- What a trial grants exists in every service, as the operator has last set it.
INSERT INTO "Plan" ("id", "name", "daily_tokens") VALUES ('standard', 'Standard', 32) ON CONFLICT DO NOTHING;
