import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { collectDefaultMetrics, register } from 'prom-client';
import { Background } from '../background/index.js';
import { COMMON_CONFIG, type CommonConfig } from '../config/index.js';

/** Prometheus' text format at `/metrics`, on a port of its own that no proxy publishes. */
@Injectable()
export class MetricsServer {
  private readonly server: Server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    register.metrics().then(
      (text) => response.writeHead(200, { 'content-type': register.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });

  constructor(
    @Inject(COMMON_CONFIG) private readonly config: CommonConfig,
    background: Background,
  ) {
    background.add({ start: () => this.listen(), stop: () => this.close() });
  }

  /** The port it listens on, once started; the system's choice when METRICS_PORT is 0. */
  port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  private async listen(): Promise<void> {
    if (register.getSingleMetric('process_cpu_user_seconds_total') === undefined) collectDefaultMetrics();
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(this.config.metricsPort, this.config.metricsHost, resolve);
    });
  }

  private async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
