import { Inject, Injectable } from '@nestjs/common';
import { Clock, COMMON_CONFIG, type CommonConfig } from '../platform/config/index.js';
import { challengeDigest, parseTokenInput, serviceChallenge, type TokenInput } from '../crypto/index.js';
import { VerifierKeysService } from '../crypto/verifier/index.js';
import { challengeHeader } from './private-token.js';

/** The challenge that every token must answer here (RFC 9577 §2.1). */
@Injectable()
export class TokenChallengeService {
  private readonly challenge: Buffer;
  private readonly digest: Buffer;

  constructor(
    private readonly keys: VerifierKeysService,
    private readonly clock: Clock,
    @Inject(COMMON_CONFIG) config: CommonConfig,
  ) {
    this.challenge = serviceChallenge(config);
    this.digest = challengeDigest(this.challenge);
  }

  /** The fields of a token; undefined when it is not of type 0x0002 or answers another challenge. */
  parse(token: Buffer): TokenInput | undefined {
    const input = parseTokenInput(token);
    return input?.challengeDigest.equals(this.digest) === true ? input : undefined;
  }

  /** The headers that a 401 must have (RFC 9110 §15.5.2): the challenge, and the newest key that signs now. */
  headers(): { readonly 'www-authenticate': string } {
    const now = this.clock.now();
    const [current] = this.keys
      .directoryKeys()
      .filter((key) => !key.retired && key.notBefore <= now && now < key.signUntil)
      .sort((a, b) => b.notBefore.getTime() - a.notBefore.getTime());
    return { 'www-authenticate': challengeHeader(this.challenge, current?.spki) };
  }
}
