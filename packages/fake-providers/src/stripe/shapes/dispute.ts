import type Stripe from 'stripe';
import { type Account, idOrNull } from '../account.js';
import { day } from '../settings.js';

export interface NewDispute {
  readonly amount: number;
  readonly reason: string;
  readonly status: 'needs_response' | 'warning_needs_response';
}

export function dispute(account: Account, charge: Stripe.Charge, params: NewDispute): Stripe.Dispute {
  const now = account.now();
  return {
    id: account.id('du'),
    object: 'dispute',
    balance_transactions: [],
    charge: charge.id,
    created: now,
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: noEvidence,
    evidence_details: {
      due_by: now + 14 * day,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    // A refund can end an inquiry. A chargeback has already withdrawn the funds.
    is_charge_refundable: params.status === 'warning_needs_response',
    livemode: account.livemode,
    metadata: {},
    payment_intent: idOrNull(charge.payment_intent),
    payment_method_details: {
      card: { brand: 'visa', case_type: 'chargeback', network: 'visa', network_reason_code: '10.4' },
      type: 'card',
    },
    ...params,
  };
}

const noEvidence: Stripe.Dispute.Evidence = {
  access_activity_log: null,
  billing_address: null,
  cancellation_policy: null,
  cancellation_policy_disclosure: null,
  cancellation_rebuttal: null,
  customer_communication: null,
  customer_email_address: null,
  customer_name: null,
  customer_purchase_ip: null,
  customer_signature: null,
  duplicate_charge_documentation: null,
  duplicate_charge_explanation: null,
  duplicate_charge_id: null,
  enhanced_evidence: {},
  product_description: null,
  receipt: null,
  refund_policy: null,
  refund_policy_disclosure: null,
  refund_refusal_explanation: null,
  service_date: null,
  service_documentation: null,
  shipping_address: null,
  shipping_carrier: null,
  shipping_date: null,
  shipping_documentation: null,
  shipping_tracking_number: null,
  uncategorized_file: null,
  uncategorized_text: null,
};
