import { z } from 'zod';
import { type Account } from '../account.js';
import { missing } from '../errors.js';
import { page } from '../http/list.js';
import { boolean, listParams, text } from '../http/params.js';
import { type Route, route } from '../http/router.js';
import { day } from '../settings.js';
import { type Webhooks } from '../webhooks.js';

/** https://docs.stripe.com/api/events: "going back up to 30 days". https://docs.stripe.com/api/webhook_endpoints */
export function eventRoutes(account: Account, webhooks: Webhooks): Route[] {
  const { events, webhookEndpoints } = account.objects;
  const isRetained = ({ created }: { created: number }) => created > account.now() - 30 * day;
  return [
    route(
      'GET',
      '/v1/events',
      {
        ...listParams,
        delivery_success: boolean.optional(),
        type: text.optional(),
        types: z.array(text).max(20).optional(),
      },
      ({ delivery_success, type, types, ...listing }) => {
        const matching = events.where(
          (one) =>
            isRetained(one) &&
            (type === undefined || matches(type, one.type)) &&
            (types?.some((wanted) => matches(wanted, one.type)) ?? true) &&
            (delivery_success === undefined || delivery_success === (one.pending_webhooks === 0)),
        );
        return page(matching, '/v1/events', listing);
      },
    ),
    route('GET', '/v1/events/:id', {}, (_, id) => {
      const event = events.get(id);
      if (!isRetained(event)) throw missing('event', id);
      return event;
    }),
    route(
      'POST',
      '/v1/webhook_endpoints',
      { url: text.pipe(z.url('Invalid URL')), enabled_events: z.array(text).min(1), description: text.optional() },
      ({ url, enabled_events }) => {
        const { endpoint, secret } = webhooks.add(url, enabled_events);
        // The secret is in the response to the creation only. https://docs.stripe.com/api/webhook_endpoints/object
        return { ...endpoint, secret };
      },
    ),
    route('GET', '/v1/webhook_endpoints', listParams, (listing) =>
      page(webhookEndpoints.all(), '/v1/webhook_endpoints', listing),
    ),
    route('GET', '/v1/webhook_endpoints/:id', {}, (_, id) => webhookEndpoints.get(id)),
    route('DELETE', '/v1/webhook_endpoints/:id', {}, (_, id) => {
      webhookEndpoints.get(id);
      webhookEndpoints.delete(id);
      return { id, object: 'webhook_endpoint', deleted: true };
    }),
  ];
}

/** `charge.*` matches every type that starts with `charge.`. */
function matches(wanted: string, type: string): boolean {
  return wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : wanted === type;
}
