import { type IncomingMessage, type ServerResponse } from 'node:http';
import { readText } from '../common/index.js';
import { type Account, idOf } from './account.js';
import { type Subscriptions } from './billing/subscriptions.js';
import { type Checkout } from './checkout.js';
import { ApiError } from './errors.js';
import { type CustomerActions } from './customer-actions.js';
import { itemOf } from './shapes/subscription.js';

export const checkoutPath = '/c/pay/';
export const portalPath = '/p/session/';

const cards = [
  ['4242424242424242', 'valid Visa card'],
  ['5555555555554444', 'valid Mastercard'],
  ['4000000000000002', 'declined at checkout'],
  ['4000000000000341', 'accepted at checkout, declined when charged later'],
] as const;

/** The pages that Stripe hosts: Checkout and the billing portal, in simple HTML. */
export class Pages {
  constructor(
    private readonly account: Account,
    private readonly checkout: Checkout,
    private readonly subscriptions: Subscriptions,
    private readonly customerActions: CustomerActions,
    private readonly save: () => void,
  ) {}

  serves(path: string): boolean {
    return path.startsWith(checkoutPath) || path.startsWith(portalPath);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.account.timeline.catchUp();
    const path = request.url ?? '/';
    const form = request.method === 'POST' ? new URLSearchParams(await readText(request, 4096)) : undefined;
    try {
      if (path.startsWith(checkoutPath)) this.showCheckout(path.slice(checkoutPath.length), form, response);
      else this.showPortal(path.slice(portalPath.length), form, response);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      show(response, error.status, html`<p>${error.message}</p>`);
    } finally {
      this.save();
    }
  }

  private showCheckout(id: string, form: URLSearchParams | undefined, response: ServerResponse): void {
    const session = this.account.objects.sessions.get(id);
    const email = session.customer_email ?? 'user@example.com';
    const payer = form && { card: form.get('card'), email: form.get('email') ?? email };
    const paid = payer && this.checkout.pay(id, payer);
    if (paid?.redirect) {
      redirect(response, paid.redirect);
      return;
    }
    const { price, quantity, trialDays } = this.checkout.purchase(id);
    const { unit_amount, currency, product } = this.account.objects.prices.get(price);
    const name = this.account.objects.products.get(idOf(product)).name;
    const amount = `${(((unit_amount ?? 0) * quantity) / 100).toFixed(2)} ${currency.toUpperCase()}`;
    show(
      response,
      200,
      html`<h1>${name}: ${amount}</h1>
        <p>${trialDays === null ? '' : `Free for ${trialDays} days.`} ${paid ? `Declined: ${paid.outcome}.` : ''}</p>
        <form method="post">
          <p><input name="email" value="${email}" /></p>
          <p><select name="card"></select></p>
        </form>`,
      ...cards.map(([number, label]) => html`<option value="${number}">${number}: ${label}</option>`),
      html`</select></p>
          <button>Subscribe</button>
        </form>
        <p><a href="${session.cancel_url ?? '#'}">Back</a></p>`,
    );
  }

  private showPortal(id: string, form: URLSearchParams | undefined, response: ServerResponse): void {
    const session = this.account.objects.portalSessions.get(id);
    const subscription = form?.get('subscription') ?? '';
    const action = form?.get('action');
    if (action === 'cancel') this.subscriptions.update(subscription, { cancelAtPeriodEnd: true });
    if (action === 'renew') this.subscriptions.update(subscription, { cancelAtPeriodEnd: false });
    if (action === 'card') this.customerActions.replaceCard(idOf(session.customer), form?.get('card') ?? '');
    if (action === 'pay') this.customerActions.payOpenInvoice(subscription);
    const rows = this.customerActions.runningSubscriptions(idOf(session.customer)).map((one) => {
      const until = new Date(itemOf(one).current_period_end * 1000).toISOString();
      const button = one.cancel_at_period_end ? ['renew', 'Renew'] : ['cancel', 'Cancel'];
      return html`<form method="post">
        <input type="hidden" name="subscription" value="${one.id}" />
        <p>
          ${one.status} until ${until}
          <button name="action" value="${button[0] ?? ''}">${button[1] ?? ''}</button>
          <button name="action" value="pay">Pay latest invoice</button>
        </p>
      </form>`;
    });
    show(
      response,
      200,
      html`<h1>Your subscriptions</h1>`,
      ...rows,
      html`<form method="post">
        <p><select name="card"></select></p>
      </form>`,
      ...cards.map(([number, label]) => html`<option value="${number}">${number}: ${label}</option>`),
      html`</select> <button name="action" value="card">Use this card</button></p></form>
        <p><a href="${session.return_url ?? '#'}">Back</a></p>`,
    );
  }
}

/** Escapes the inserted values. */
function html(parts: TemplateStringsArray, ...values: readonly string[]): string {
  const escaped = values.map((value) => value.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`));
  return String.raw({ raw: parts.raw }, ...escaped);
}

function show(response: ServerResponse, status: number, ...body: readonly string[]): void {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' });
  response.end(`<!doctype html><title>Fake Stripe</title><body>${body.join('')}</body>`);
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location });
  response.end();
}
