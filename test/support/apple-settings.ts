import { type FakeApple } from '@vpn-backend/fake-providers/apple';

/** What a service needs to reach a fake App Store. @param rootFile its root certificate, as PEM */
export const appleSettings = ({ bundleId, appAppleId, environment, apiKey, url }: FakeApple, rootFile: string) => ({
  APPLE_BUNDLE_ID: bundleId,
  APPLE_APP_ID: String(appAppleId),
  APPLE_ENVIRONMENT: environment,
  APPLE_ISSUER_ID: apiKey.issuerId,
  APPLE_KEY_ID: apiKey.keyId,
  APPLE_PRIVATE_KEY: apiKey.privateKey,
  APPLE_API_URL: url,
  APPLE_ROOT_CA_FILE: rootFile,
});
