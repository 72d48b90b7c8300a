import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { secretHashOf } from './connection-secrets.service.js';
import { type ConnectionStatusView } from './connection.schema.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';

/** What a client can do with its connection secret: read the status and disconnect. */
@Injectable()
export class ConnectionService {
  constructor(
    private readonly store: LifecycleStore,
    private readonly signals: PeerSignalsService,
    private readonly clock: Clock,
  ) {}

  /** @throws {AppError} `connection_secret_missing`; `connection_not_found` for an unknown secret or an ended connection */
  async status(secret: string | undefined): Promise<ConnectionStatusView> {
    if (secret === undefined) throw secretMissing();
    const connection = await this.store.findBySecret(secretHashOf(secret), this.clock.now());
    if (connection === undefined) throw notFound();
    const { id, status, locationId, expiresAt } = connection;
    return { connection_id: id, status, location: locationId, expires_at: expiresAt.toISOString() };
  }

  /**
   * Ends a connection and signals its node to remove the peer. Idempotent while the connection is ending.
   *
   * @throws {AppError} `connection_secret_missing`, `connection_not_found`
   */
  async disconnect(secret: string | undefined): Promise<void> {
    if (secret === undefined) throw secretMissing();
    const nodeId = await this.store.disconnect(secretHashOf(secret), this.clock.now());
    if (nodeId === undefined) throw notFound();
    this.signals.nodesChanged(nodeId);
  }
}

function secretMissing(): AppError {
  return new AppError(
    'connection_secret_missing',
    'Send the connection_secret of POST /vpn/config as Authorization: Bearer.',
    {
      headers: { 'www-authenticate': 'Bearer' },
    },
  );
}

function notFound(): AppError {
  return new AppError(
    'connection_not_found',
    'No connection has this secret, or it has ended. Redeem another token to connect again.',
  );
}
