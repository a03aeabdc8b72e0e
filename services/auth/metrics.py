"""What an operator watches: logins and refreshes by outcome. A rise in refused or reused ones is an attack."""

from prometheus_client import Counter

LOGINS = Counter("crossbook_auth_logins", "Logins by outcome.", ["outcome"])
REFRESHES = Counter("crossbook_auth_refreshes", "Exchanged refresh tokens by outcome.", ["outcome"])
