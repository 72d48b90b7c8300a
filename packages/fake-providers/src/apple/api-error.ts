/** An error response of the App Store Server API. https://developer.apple.com/documentation/appstoreserverapi/error-codes */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly errorCode: number,
    message: string,
  ) {
    super(message);
  }
}

export const apiErrors = {
  invalidTransactionId: () => new ApiError(400, 4000006, 'Invalid transaction id.'),
  transactionNotFound: () => new ApiError(404, 4040010, 'Transaction id not found.'),
  invalidRevision: () => new ApiError(400, 4000005, 'Invalid request revision.'),
  startTooFarInPast: () => new ApiError(400, 4000012, 'Start date is too far in the past.'),
  startAfterEnd: () => new ApiError(400, 4000013, 'Start date is after end date.'),
  invalidPaginationToken: () => new ApiError(400, 4000014, 'Invalid pagination token.'),
  severalFilters: () => new ApiError(400, 4000019, 'Use either a transaction id or a notification type.'),
  invalidSort: () => new ApiError(400, 4000021, 'Invalid sort.'),
  invalidStatus: () => new ApiError(400, 4000031, 'Invalid status.'),
  badRequest: () => new ApiError(400, 4000000, 'Bad request.'),
  noNotificationUrl: () => new ApiError(404, 4040007, 'App Store server notification URL not found.'),
  testNotFound: () => new ApiError(404, 4040008, 'Test notification not found.'),
  rateLimited: () => new ApiError(429, 4290000, 'Rate limit exceeded.'),
  internal: () => new ApiError(500, 5000000, 'An unknown error occurred.'),
};
