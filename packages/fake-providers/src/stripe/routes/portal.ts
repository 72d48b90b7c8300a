import { type Account } from '../account.js';
import { text } from '../http/params.js';
import { type Route, route } from '../http/router.js';

/** https://docs.stripe.com/api/customer_portal/sessions */
export function portalRoutes(account: Account, page: () => string): Route[] {
  return [
    route('POST', '/v1/billing_portal/sessions', { customer: text, return_url: text.optional() }, (params) => {
      const { id: customer } = account.customer(params.customer, 'customer');
      const id = account.id('bps');
      return account.objects.portalSessions.add({
        id,
        object: 'billing_portal.session',
        configuration: 'bpc_default',
        created: account.now(),
        customer,
        customer_account: null,
        flow: null,
        livemode: account.livemode,
        locale: null,
        on_behalf_of: null,
        return_url: params.return_url ?? null,
        url: page() + id,
      });
    }),
  ];
}
