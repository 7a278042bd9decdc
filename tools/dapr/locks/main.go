// daprd as Dapr has it, with one component more: Dapr calls none for locks stable, so that the tag stablecomponents leaves them out.
package main

import (
	"github.com/dapr/components-contrib/lock/redis"
	"github.com/dapr/dapr/cmd/daprd/app"
	"github.com/dapr/dapr/pkg/components/lock"
)

func main() {
	lock.DefaultRegistry.RegisterComponent(redis.NewStandaloneRedisLock, "redis")
	app.Run()
}
