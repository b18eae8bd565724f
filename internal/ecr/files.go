package ecr

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
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
		f, err := os.Open(file)
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
