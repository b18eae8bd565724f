package ecr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
)

// sharedFiles are the two files in which the SDK looks for profiles.
func sharedFiles() []string {
	files := []string{os.Getenv("AWS_CONFIG_FILE"), os.Getenv("AWS_SHARED_CREDENTIALS_FILE")}
	if files[0] == "" {
		files[0] = config.DefaultSharedConfigFilename()
	}
	if files[1] == "" {
		files[1] = config.DefaultSharedCredentialsFilename()
	}
	return files
}

// namedFiles are the other files that the environment has the SDK read.
func namedFiles() []string {
	return []string{os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), os.Getenv("AWS_CA_BUNDLE"), os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")}
}

// fileLimit bounds a file that the SDK reads, in bytes.
const fileLimit = 1 << 20

// fileError is a file that must not be read.
type fileError struct{ path, why string }

func (e *fileError) Error() string { return fmt.Sprintf("%q %s", e.path, e.why) }

// checkFiles refuses what the SDK would read without an end, or wait for beyond
// every context: a FIFO, a device, a huge file. What is missing or may not be
// looked at is the SDK's to report. /dev/null is how people say "no file".
func checkFiles(files []string) error {
	for _, file := range files {
		info, err := os.Stat(file)
		switch {
		case err != nil, file == os.DevNull:
		case !info.Mode().IsRegular():
			return &fileError{file, "is not a regular file"}
		case info.Size() > fileLimit:
			return &fileError{file, fmt.Sprintf("has more than %d bytes", fileLimit)}
		}
	}
	return nil
}

// tokenFile is the SDK's, after a check: a profile may name one too.
type tokenFile stscreds.IdentityTokenFile

func (f tokenFile) GetIdentityToken() ([]byte, error) {
	if err := checkFiles([]string{string(f)}); err != nil {
		return nil, err
	}
	return stscreds.IdentityTokenFile(f).GetIdentityToken()
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

// describeFiles names the files for people, with what keeps us from reading
// them: the SDK takes a file that it may not read for one that is not there.
func describeFiles(files []string) string {
	texts := make([]string, len(files))
	for i, file := range files {
		texts[i] = fmt.Sprintf("%q", file)
		f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // not waiting for the other end of a FIFO
		var path *fs.PathError
		switch {
		case err == nil:
			_ = f.Close() // opened only to see whether it can be
		case errors.As(err, &path):
			texts[i] += fmt.Sprintf(" (%v)", path.Err)
		}
	}
	return strings.Join(texts, " and ")
}
