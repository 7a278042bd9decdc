// Command wazero serves a WASI command with wazero: compiled once, a fresh instance for each request, whose standard output is
// the answer. The peer that `hello` is measured against (docs/benchmarks.md). Usage: wazero PORT MODULE.WASM
package main

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net/http"
	"os"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: wazero PORT MODULE.WASM")
	}
	ctx := context.Background()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		log.Fatal(err)
	}
	code, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	module, err := runtime.CompileModule(ctx, code)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		var output bytes.Buffer
		// Without a name, so that any number of instances may live at once. Instantiating runs `_start`.
		instance, err := runtime.InstantiateModule(ctx, module, wazero.NewModuleConfig().WithName("").WithStdout(&output))
		if err == nil {
			instance.Close(ctx)
		}
		var exit *sys.ExitError
		if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 0) {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		answer.Header().Set("content-type", "text/plain")
		answer.Write(output.Bytes())
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
