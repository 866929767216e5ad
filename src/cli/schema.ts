/** `grpc-verbatim schema`: the JSON Schema of configuration files. */
import { jsonSchema } from '../config/reference.ts'

export function printSchema(): void {
  console.log(JSON.stringify(jsonSchema(), null, 2))
}
