import { Address, Duration, ServiceConfig, Variable } from '@pavane/service';
import { IsNotEmpty, IsString } from 'class-validator';

/** What the notification service reads from its environment. */
export class NotificationConfig extends ServiceConfig {
  /** The mail server, e.g. `smtp://127.0.0.1:2525`. */
  @Address({
    what: 'an smtp or smtps URL',
    schemes: ['smtp', 'smtps'],
    credentials: true,
    parameters: ['requireTLS', 'ignoreTLS', 'opportunisticTLS', 'name', 'localAddress', 'authMethod'],
    example: 'smtp://127.0.0.1:2525',
  })
  SMTP_URL!: string;
  /** The sender, e.g. `Pavane <orders@pavane.example>`. */
  @IsString()
  @IsNotEmpty({ message: 'the sender of mails' })
  @Variable({ example: 'Pavane <orders@pavane.example>' })
  MAIL_FROM!: string;
  /** How long the mail server may take for one step. */
  @Duration({ min: 10, example: '5s' }) SMTP_TIMEOUT = 5000;
}
