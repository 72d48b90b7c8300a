import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { OnSide, Returns } from '../http/index.js';
import { liveReport, readyReport } from './health.schema.js';
import { Readiness, type ReadinessReport } from './readiness.js';

const httpStatus = { ready: 200, degraded: 200, unavailable: 503, draining: 503 } as const;

@ApiTags('health')
@OnSide('process')
@Controller('health')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('live')
  @ApiOperation({ summary: 'Whether the process runs' })
  @Returns(200, liveReport)
  live() {
    return { status: 'live' };
  }

  /** 503 when the process cannot serve; 200 with `degraded` when something optional, such as Redis, is down. */
  @Get('ready')
  @ApiOperation({ summary: 'Whether the process can serve, and what is down' })
  @Returns(200, readyReport)
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessReport> {
    const report = await this.readiness.report();
    void reply.status(httpStatus[report.status]);
    return report;
  }
}
