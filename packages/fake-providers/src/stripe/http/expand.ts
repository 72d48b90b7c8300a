import { type Account, idOf } from '../account.js';
import { invalid } from '../errors.js';
import { lineItem } from '../shapes/checkout.js';

type Json = Record<string, unknown>;

/** https://docs.stripe.com/api/expanding_objects: "expansions have a maximum depth of four levels". */
const maxDepth = 4;

/** Replaces ids with objects, and adds includable properties, as a request's `expand` demands. */
export class Expander {
  constructor(private readonly account: Account) {}

  /** @returns a copy with the expanded properties. @throws {ApiError} for a path that cannot be expanded. */
  expand(answer: object, paths: readonly string[] = []): Json {
    const copy = clone(answer);
    for (const path of paths) {
      const parts = path.split('.');
      const depth = parts.filter((part) => part !== 'data').length;
      if (depth > maxDepth) {
        throw invalid(`You cannot expand more than ${maxDepth} levels of a property.`, { param: 'expand' });
      }
      this.expandPath(copy, parts, path);
    }
    return copy;
  }

  private expandPath(object: Json, [part = '', ...rest]: readonly string[], path: string): void {
    const value = this.expandProperty(object, part);
    if (value === undefined) {
      throw invalid(`This property cannot be expanded (${path}).`, { param: 'expand' });
    }
    object[part] = value;
    if (rest.length === 0) return;
    for (const one of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof one === 'object' && one !== null) this.expandPath(one as Json, rest, path);
    }
  }

  /** @returns the expanded value of a property, or undefined when it cannot be expanded. */
  private expandProperty(object: Json, property: string): unknown {
    const value = object[property];
    if (typeof value === 'string') return this.find(value);
    if (value !== undefined) return value;
    const included = this.includable(object, property);
    return included && clone(included);
  }

  private find(id: string): Json | undefined {
    const kinds: readonly (readonly [RegExp, keyof Account['objects']])[] = [
      [/^cus_/, 'customers'],
      [/^prod_/, 'products'],
      [/^price_/, 'prices'],
      [/^sub_/, 'subscriptions'],
      [/^in_/, 'invoices'],
      [/^pm_/, 'paymentMethods'],
      [/^pi_/, 'paymentIntents'],
      [/^ch_/, 'charges'],
      [/^re_/, 'refunds'],
      [/^du_/, 'disputes'],
    ];
    const table = kinds.find(([prefix]) => prefix.test(id))?.[1];
    const found = table && this.account.objects[table].find(id);
    return found && clone(found);
  }

  /** "Includable" properties: lists that a response contains only when the request expands them. */
  private includable(object: Json, property: string): object | undefined {
    const { invoicePayments, refunds, subscriptions, prices } = this.account.objects;
    const id = String(object['id']);
    switch (`${String(object['object'])}.${property}`) {
      case 'invoice.payments':
        return listOf(
          invoicePayments.where((one) => idOf(one.invoice) === id),
          `/v1/invoice_payments?invoice=${id}`,
        );
      case 'charge.refunds':
        return listOf(
          refunds.where((one) => one.charge === id),
          `/v1/charges/${id}/refunds`,
        );
      case 'customer.subscriptions':
        return listOf(
          subscriptions.where((one) => one.customer === id && one.status !== 'canceled'),
          `/v1/customers/${id}/subscriptions`,
        );
      case 'checkout.session.line_items': {
        const purchase = this.account.hidden.purchases[id];
        const items = purchase ? [lineItem(this.account, prices.get(purchase.price), purchase.quantity)] : [];
        return listOf(items, `/v1/checkout/sessions/${id}/line_items`);
      }
      default:
        return undefined;
    }
  }
}

function listOf(data: readonly object[], url: string): object {
  return { object: 'list', data: data.toReversed(), has_more: false, url };
}

function clone(object: object): Json {
  return JSON.parse(JSON.stringify(object)) as Json;
}
