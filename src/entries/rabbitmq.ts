export {
  type RabbitmqChannel,
  type RabbitmqConnect,
  type RabbitmqConnection,
  type RabbitmqMessage,
} from '../sinks/rabbitmq/client.ts'
export { rabbitmqSink, type RabbitmqSink, type RabbitmqSinkOptions } from '../sinks/rabbitmq/sink.ts'
export {
  rabbitmqConsumer,
  type RabbitmqConsumer,
  type RabbitmqConsumerOptions,
} from '../sinks/rabbitmq/consumer.ts'
export { type DeadLetterConsumerOptions } from '../sinks/consumer/options.ts'
export { MessageTooLargeError } from '../sinks/message-too-large.ts'
