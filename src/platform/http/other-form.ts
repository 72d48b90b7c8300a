import { ApiExtension, type OpenAPIObject } from '@nestjs/swagger';

/** A binary body with its media type and its exact length in bytes. */
export interface BinaryForm {
  readonly mediaType: string;
  readonly bytes: number;
  readonly description: string;
}

interface OtherForm {
  readonly request: BinaryForm;
  readonly response: BinaryForm;
}

const extension = 'x-other-form';

interface WithContent {
  readonly content: Record<string, object>;
}

interface DescribedOperation {
  [extension]?: OtherForm;
  readonly requestBody?: WithContent;
  readonly responses: Readonly<Record<string, WithContent | undefined>>;
}

/**
 * Describes the binary form of a POST beside its JSON, for the API reference. A separate route serves the binary form. The
 * reference cannot list that route, because OpenAPI has one operation for each method and path.
 */
export function AlsoBinary(request: BinaryForm, response: BinaryForm): MethodDecorator {
  return ApiExtension(extension, { request, response } satisfies OtherForm);
}

/** Moves the descriptions of `AlsoBinary` to the place that OpenAPI defines for them. */
export function placeBinaryForms({ paths }: OpenAPIObject): void {
  for (const operation of Object.values(paths).map(({ post }) => post as DescribedOperation | undefined)) {
    const form = operation?.[extension];
    if (operation === undefined || form === undefined) continue;
    delete operation[extension];
    place(operation.requestBody, form.request);
    place(operation.responses['200'], form.response);
  }
}

function place(to: WithContent | undefined, { mediaType, bytes, description }: BinaryForm): void {
  if (to === undefined) throw new Error('a binary form needs a JSON form beside it');
  to.content[mediaType] = {
    schema: { type: 'string', format: 'binary', minLength: bytes, maxLength: bytes, description },
  };
}
