// Browsers start no worker from a file: address. The search then runs in a frame of the page.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.onmessage = null;
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      const script = new URL(url, document.baseURI).href;
      window.addEventListener("message", (event) => {
        if (event.source !== this.frame.contentWindow) return;
        const copy = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(copy);
        this.onmessage?.(copy);
      });
      // What a worker has and a frame has not: posting to its owner, and loading scripts in order.
      const shim = `
        var post = parent.postMessage.bind(parent);
        self.postMessage = function (data) { post(data, "*"); };
        self.importScripts = function () {
          return Array.prototype.reduce.call(arguments, function (before, url) {
            return before.then(function () {
              return new Promise(function (done, failed) {
                var script = document.createElement("script");
                script.src = url; script.onload = done; script.onerror = failed;
                document.head.append(script);
              });
            });
          }, Promise.resolve());
        };`;
      this.ready = new Promise((done) => {
        this.frame.onload = done;
      });
      this.frame.srcdoc =
        `<!doctype html><base href="${script}"><script>${shim}<\/script><script src="${script}"><\/script>`;
      document.body.append(this.frame);
    }
    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
