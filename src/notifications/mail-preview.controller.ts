import { Controller, Get, Header, Inject, Param } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { GATEKEEPER_CONFIG, type GatekeeperConfig } from '../platform/config/index.js';
import { AppError } from '../platform/errors/index.js';
import { OnSide } from '../platform/http/index.js';
import { locales, optionalKinds } from '../preferences/index.js';
import { kinds, samplePayloads } from './kinds.js';
import { renderMail } from './mail.js';

const html = 'text/html; charset=utf-8';

/** Previews of every mail, with sample payloads. Only in development: see `GatekeeperModule`. */
@ApiExcludeController()
@OnSide('gatekeeper')
@Controller('dev/mail')
export class MailPreviewController {
  constructor(@Inject(GATEKEEPER_CONFIG) private readonly config: GatekeeperConfig) {}

  @Get()
  @Header('content-type', html)
  list(): string {
    const items = kinds.map(
      (kind) => `<li><a href="/dev/mail/${kind}">${kind}</a> <a href="/dev/mail/${kind}.txt">text</a>`,
    );
    return `<!doctype html><meta charset="utf-8"><title>Mails</title><h1>Mails</h1><ul>${items.join('\n')}</ul>`;
  }

  @Get(':kind.txt')
  @Header('content-type', 'text/plain; charset=utf-8')
  text(@Param('kind') kind: string): string {
    const { subject, text } = this.render(kind);
    return `${subject}\n\n${text}`;
  }

  @Get(':kind')
  @Header('content-type', html)
  html(@Param('kind') kind: string): string {
    return this.render(kind).html;
  }

  private render(name: string) {
    const kind = kinds.find((one) => one === name);
    if (kind === undefined)
      throw new AppError('not_found', 'Unknown kind of notification. See /dev/mail for the list.');
    const isOptional = optionalKinds.some((one) => one === kind);
    return renderMail(kind, samplePayloads[kind], {
      locale: locales[0],
      service: this.config.mail?.from.name ?? 'VPN',
      unsubscribeUrl: isOptional ? 'https://vpn.example/notifications/unsubscribe/preview' : undefined,
    });
  }
}
