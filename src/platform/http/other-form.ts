import { ApiExtension, type OpenAPIObject } from '@nestjs/swagger';

/** A body of so many bytes, of a media type of its own. */
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
 * Describes the binary form of a POST beside its JSON, for the API reference. A route of its own serves it, which the
 * reference cannot list: OpenAPI has one operation for a method and path.
 */
export function AlsoBinary(request: BinaryForm, response: BinaryForm): MethodDecorator {
  return ApiExtension(extension, { request, response } satisfies OtherForm);
}

/** Puts what `AlsoBinary` says where OpenAPI wants it. */
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
  if (to === undefined) throw new Error('a binary form needs a JSON one beside it');
  to.content[mediaType] = {
    schema: { type: 'string', format: 'binary', minLength: bytes, maxLength: bytes, description },
  };
}
