package operator

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hallmark-auth/hallmark/storage"
)

// ExportUsers calls each with all users, by name, with the hashes of their
// passwords: whoever has those can guess at them. It is one act, which is
// recorded before the first is handed out.
func (o *Operator) ExportUsers(ctx context.Context, each func(storage.User) error) (users int, err error) {
	if err := o.Audit.Record(ctx, storage.Record{Event: storage.EventUserExport}); err != nil {
		return 0, fmt.Errorf("record the export of users: %w", err)
	}
	err = o.ListUsers(ctx, func(u storage.User) error {
		users++
		return each(u)
	})
	o.record(ctx, "user.export", slog.Int("users", users), slog.Bool("complete", err == nil))
	return users, err
}
