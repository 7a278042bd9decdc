// Command dapr_go is a Dapr app in Go with go-sdk: says hello, takes events. The peer that Trilby's app channel is measured
// against (docs/benchmarks.md). Usage: dapr_go http|grpc PORT
package main

import (
	"context"
	"log"
	"os"

	"github.com/dapr/go-sdk/service/common"
	"github.com/dapr/go-sdk/service/grpc"
	"github.com/dapr/go-sdk/service/http"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: dapr_go http|grpc PORT")
	}
	address := "127.0.0.1:" + os.Args[2]
	service := http.NewService(address)
	name := "/hello"
	if os.Args[1] == "grpc" {
		var err error
		if service, err = grpc.NewService(address); err != nil {
			log.Fatal(err)
		}
		name = "hello"
	}
	hello := func(context.Context, *common.InvocationEvent) (*common.Content, error) {
		return &common.Content{Data: []byte("hello"), ContentType: "text/plain"}, nil
	}
	if err := service.AddServiceInvocationHandler(name, hello); err != nil {
		log.Fatal(err)
	}
	take := func(context.Context, *common.TopicEvent) (bool, error) { return false, nil }
	events := &common.Subscription{PubsubName: "broker", Topic: "events", Route: "/events"}
	if err := service.AddTopicEventHandler(events, take); err != nil {
		log.Fatal(err)
	}
	log.Fatal(service.Start())
}
