package ecr

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/filetrust"
)

// sharedFiles are the two files in which the SDK looks for profiles.
func sharedFiles() []string {
	return []string{
		cmp.Or(os.Getenv("AWS_CONFIG_FILE"), config.DefaultSharedConfigFilename()),
		cmp.Or(os.Getenv("AWS_SHARED_CREDENTIALS_FILE"), config.DefaultSharedCredentialsFilename()),
	}
}

// fileLimit bounds a file that the SDK reads, in bytes.
const fileLimit = 1 << 20

// fileError is a file that the SDK must not read, or would misread without a word.
type fileError struct {
	err    error
	hint   string       // empty for one that must not be read
	reason fault.Reason // Credentials where it is empty
}

func (e *fileError) Error() string { return e.err.Error() }

// setFile is a file and the setting that names it.
type setFile struct{ setting, path string }

// checkFiles reads all files that the SDK will read: it would do so without an end, and
// wait beyond every context, for a FIFO, a device, a file system that is away. What is
// missing or may not be read is the SDK's to report. What they hold is not to be shown.
// It returns where the SDK will take credentials from.
func (s *Source) checkFiles(ctx context.Context, w *wire) (source, error) {
	shared := sharedFiles()
	const bundle, identity, container = "AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	first := []setFile{{"AWS_CONFIG_FILE", shared[0]}, {"AWS_SHARED_CREDENTIALS_FILE", shared[1]}, {bundle, os.Getenv(bundle)}}
	if err := w.learnFiles(first); err != nil {
		return source{}, err
	}
	files := fingerprint(shared) // before they are parsed: a change meanwhile shows the next time
	whole := s.profile(ctx, shared)
	from := s.source(whole)
	from.files = files
	if from.kind == fromWebIdentity && s.profileName() == "" && os.Getenv("AWS_ROLE_ARN") == "" {
		return from, &fileError{fmt.Errorf("AWS_ROLE_ARN is not set, and %s names a token for that role", identity), "set AWS_ROLE_ARN to the role, or unset " + identity, ""}
	}
	var named []setFile
	if from.kind == fromWebIdentity {
		named = append(named, setFile{identity, os.Getenv(identity)})
	}
	if from.kind == fromContainer {
		named = append(named, setFile{container, os.Getenv(container)})
	}
	for p := &whole; p != nil; p = p.Source {
		named = append(named, setFile{"ca_bundle", p.CustomCABundle}, setFile{"web_identity_token_file", p.WebIdentityTokenFile})
		session := p.SSOStartURL
		if p.SSOSession != nil {
			session = p.SSOSession.Name
		}
		if path, err := ssocreds.StandardCachedTokenFilepath(session); err == nil && session != "" {
			named = append(named, setFile{"sso_session", path})
		}
		if path, err := logincreds.StandardCachedTokenFilepath(p.LoginSession, os.Getenv("AWS_LOGIN_CACHE_DIRECTORY")); err == nil && p.LoginSession != "" {
			named = append(named, setFile{"login_session", path})
		}
	}
	return from, w.learnFiles(named)
}

// pair is a line of a shared file.
var pair = regexp.MustCompile(`(?m)^[ \t]*([\w.-]+)[ \t]*=[ \t]*(.*?)[ \t\r]*$`)

// learnFiles reads the files and notes what must not be shown of them.
func (w *wire) learnFiles(files []setFile) error {
	var secrets []string
	for _, f := range files {
		if f.path == "" || f.path == os.DevNull { // how people say "no file"
			continue
		}
		data, err := filetrust.Read(f.setting, f.path, fileLimit)
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			w.unread[f.path] = path.Err
		}
		switch {
		case errors.Is(err, filetrust.ErrNotRegular), errors.Is(err, filetrust.ErrTooLarge), errors.Is(err, filetrust.ErrHangs):
			return &fileError{err: err}
		case err != nil:
			continue
		case f.setting == "AWS_CA_BUNDLE", f.setting == "ca_bundle":
			if !x509.NewCertPool().AppendCertsFromPEM(data) {
				return &fileError{fmt.Errorf("%s: %q holds no certificate in PEM form", f.setting, f.path),
					"put the certificates of your proxy or endpoint there, or unset " + f.setting, fault.Local}
			}
			continue
		}
		if err := misread(f, data); err != nil {
			return err
		}
		if strings.HasSuffix(strings.ToUpper(f.setting), "TOKEN_FILE") {
			secrets = append(secrets, strings.TrimSpace(string(data)))
		}
		for _, m := range pair.FindAllSubmatch(data, -1) {
			if secretName(strings.ToLower(string(m[1]))) {
				secrets = append(secrets, string(m[2]))
			}
		}
		secrets = append(secrets, fields(data, secretName)...)
	}
	w.learn(long(secrets)...)
	return nil
}

// misread finds a shared file from which the SDK drops its first section, or all, without
// a word: it knows UTF-8 alone, and no byte order mark.
func misread(f setFile, data []byte) error {
	const mark = "\xef\xbb\xbf"
	rest, marked := bytes.CutPrefix(data, []byte(mark))
	switch {
	case f.setting != "AWS_CONFIG_FILE" && f.setting != "AWS_SHARED_CREDENTIALS_FILE":
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.IndexByte(data, 0) >= 0:
		return &fileError{fmt.Errorf("%q is in UTF-16, which AWS's SDK does not read", f.path),
			fmt.Sprintf("save it as UTF-8: iconv -f UTF-16 -t UTF-8 %q > NEW, then move NEW to its place", f.path), ""}
	case marked && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("[")):
		return &fileError{fmt.Errorf("%q begins with a byte order mark, at which AWS's SDK drops the first section", f.path),
			fmt.Sprintf(`save it as UTF-8 without one: sed -i '1s/^\xef\xbb\xbf//' %q`, f.path), ""}
	}
	return nil
}

// learnEnvironment notes the secrets of the SDK's variables.
func (w *wire) learnEnvironment() {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") && secretName(strings.ToLower(name)) {
			w.learn(long([]string{value})...)
		}
		if strings.HasPrefix(name, "AWS_ENDPOINT_URL") { // the SDK's error shows one that it cannot parse
			_, rest, _ := strings.Cut(value, "://")
			w.learn(rest[:max(strings.LastIndex(rest, "@"), 0)])
		}
	}
}

// fingerprint differs when one of the files has changed.
func fingerprint(files []string) string {
	var b strings.Builder
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(&b, "%s %d %d\n", file, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// describe names the files for people, with what keeps us from reading them: the SDK
// takes a file that it may not read for one that is not there.
func (w *wire) describe(files []string) string {
	texts := make([]string, len(files))
	for i, file := range files {
		texts[i] = fmt.Sprintf("%q", file)
		if err := w.unread[file]; err != nil {
			texts[i] += fmt.Sprintf(" (%v)", err)
		}
	}
	return strings.Join(texts, " and ")
}
