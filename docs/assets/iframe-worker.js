/* Browsers start no workers for pages that were opened as files. Then the search runs in a hidden frame instead, which
   takes and gives messages as a worker does. The site needs no server for it, and no network. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inner = (this.inner = frame.contentWindow)
      this.started = new Promise((done) => {
        const script = inner.document.createElement("script")
        script.src = url
        script.onload = done
        script.onerror = () => this.dispatchEvent(new ErrorEvent("error", { message: `${url} can't be read` }))
        inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
        inner.document.body.append(script)
      })
    }
    postMessage(data) {
      this.started.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.inner.frameElement.remove()
    }
  }
}
