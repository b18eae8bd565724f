package engine

import (
	"encoding/base64"

	"ecr-refreshd/internal/login"
)

// newRedactor knows the passwords of logins, and the forms in which a request
// carries them.
func newRedactor(logins []login.Login) login.Redactor {
	var secrets []login.Secret
	for i, l := range logins {
		if l.Secret.IsZero() || i > 0 && l.Secret.Equal(logins[i-1].Secret) {
			continue // all logins of one grant share their token
		}
		pair := []byte(l.Username + ":" + l.Secret.Reveal())
		secrets = append(secrets, l.Secret, l.Basic(), login.NewSecret(base64.URLEncoding.EncodeToString(pair)))
	}
	return login.NewRedactor(secrets...)
}
