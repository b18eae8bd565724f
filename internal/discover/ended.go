package discover

import "context"

// Job is a cron line, unit or script that logs in today, and how to end that.
type Job struct {
	Where    string // a file and a line
	Commands []string
}

// Jobs looks for what else logs in on this host. Its error is that of ctx.
func Jobs(ctx context.Context, o Options) ([]Job, error) {
	h, err := look(ctx, o)
	if err != nil {
		return nil, err
	}
	editor := "sudoedit "
	if o.Own {
		editor = "${EDITOR:-vi} "
	}
	var all []Job
	for _, j := range h.jobs {
		step := j.end(o.Own, editor)
		for i, c := range step.Commands {
			step.Commands[i] = printable(c)
		}
		all = append(all, Job{printable(j.at.String()), step.Commands})
	}
	return all, nil
}
