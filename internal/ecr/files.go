package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/logincreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"

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

// fileError is a file that the SDK must not read.
type fileError struct{ err error }

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
	var named []setFile
	if from.webIdentity {
		named = append(named, setFile{identity, os.Getenv(identity)})
	}
	if from.last && os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")+os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" {
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
			return &fileError{err}
		case err != nil, f.setting == "AWS_CA_BUNDLE", f.setting == "ca_bundle":
			continue
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

// learnEnvironment notes the secrets of the SDK's variables.
func (w *wire) learnEnvironment() {
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") && secretName(strings.ToLower(name)) {
			w.learn(long([]string{value})...)
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
