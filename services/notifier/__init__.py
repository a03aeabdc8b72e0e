"""The notifier: what happened to an account reaches its owner by e-mail, SMS, webhook, and in the inbox of the web."""
