export { errorSerializer } from '../telemetry/error-serializer.ts'
