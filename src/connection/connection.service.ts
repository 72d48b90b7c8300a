import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { secretHashOf } from './connection-secrets.service.js';
import { type ConnectionStatusView } from './connection.schema.js';
import { LifecycleStore } from './lifecycle.store.js';
import { PeerSignalsService } from './peer-sync/peer-signals.service.js';

/** What whoever holds a connection's secret may do with it. */
@Injectable()
export class ConnectionService {
  constructor(
    private readonly store: LifecycleStore,
    private readonly signals: PeerSignalsService,
    private readonly clock: Clock,
  ) {}

  /** @throws {AppError} `connection_secret_missing`; `connection_not_found` when the secret opens nothing, or nothing any more */
  async status(secret: string | undefined): Promise<ConnectionStatusView> {
    if (secret === undefined) throw secretMissing();
    const connection = await this.store.bySecret(secretHashOf(secret), this.clock.now());
    if (connection === undefined) throw notFound();
    const { id, status, locationId, expiresAt } = connection;
    return { connection_id: id, status, location: locationId, expires_at: expiresAt.toISOString() };
  }

  /**
   * Ends a connection: its node is told at once, and drops the peer. Repeating it is harmless.
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
  return new AppError('connection_secret_missing', 'Expected Authorization: Bearer with the connection_secret.', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

function notFound(): AppError {
  return new AppError('connection_not_found', 'No connection has this secret, or it has ended.');
}
