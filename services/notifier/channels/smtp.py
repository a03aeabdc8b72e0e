"""Mail by SMTP, one connection per message. 4xx answers and lost connections may pass; 5xx answers will not."""

from contextlib import suppress
from email.message import EmailMessage
from typing import Final, NoReturn

import aiosmtplib

from services.notifier.channels.outcome import Failed, Refused
from services.notifier.settings import NotifierSettings

GOODBYE_TIMEOUT_S: Final = 1.0
_PERMANENT: Final = 500


class SmtpMailer:
    def __init__(self, settings: NotifierSettings) -> None:
        self._host, self._port = settings.smtp_host, settings.smtp_port
        self._security = settings.smtp_security
        self._username = settings.smtp_username or None
        self._password = settings.smtp_password.get_secret_value() or None
        self._timeout_s = settings.attempt_timeout_s

    async def send(self, mail: EmailMessage) -> None:
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._security == "tls",
            # True: refuse to go on without it.
            start_tls=self._security == "starttls",
            timeout=self._timeout_s,
        )
        try:
            await client.connect()
            await client.send_message(mail)
            # It was taken: a goodbye that fails or lasts must not make it look otherwise.
            with suppress(aiosmtplib.SMTPException):
                await client.quit(timeout=GOODBYE_TIMEOUT_S)
        except aiosmtplib.SMTPRecipientsRefused as error:
            _raise(max((refused.code for refused in error.recipients), default=_PERMANENT), error)
        except aiosmtplib.SMTPAuthenticationError as error:
            # Ours to put right, not the recipient's.
            raise Failed(f"the SMTP server refuses our credentials ({error.code})") from None
        except aiosmtplib.SMTPResponseException as error:
            _raise(error.code, error)
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Failed(f"SMTP: {type(error).__name__}") from None
        finally:
            client.close()

    async def close(self) -> None:
        """Nothing is kept open."""


def _raise(code: int, error: Exception) -> NoReturn:
    # The server's text may repeat the address.
    reason = f"the SMTP server answered {code} ({type(error).__name__})"
    if code >= _PERMANENT:
        raise Refused(reason) from None
    raise Failed(reason) from None
