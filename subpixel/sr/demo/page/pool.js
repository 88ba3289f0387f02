// A pool of workers with one queue. Urgent tasks are started first, the newest of them before others.

const MOST_WORKERS = 4; // each holds ONNX Runtime, some 60 MB

export class Pool {
  #idle = [];
  #queue = [];
  #running = new Map();
  #next = 0;
  #failure = null; // once a worker has failed, no image is enlarged

  constructor(size = Math.min(Math.max((navigator.hardwareConcurrency || 2) - 1, 1), MOST_WORKERS)) {
    this.size = size;
    for (let i = 0; i < size; i++) this.#idle.push(this.#start());
  }

  /**
   * Runs a task in a worker.
   *
   * @param makeTask called when a worker is free; returns the task, or null if it is not needed.
   * @returns a promise of the result, or of null. It is rejected if a worker does not run.
   */
  run(makeTask, urgent = false) {
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const job = { makeTask, resolve, reject };
      if (urgent) this.#queue.unshift(job);
      else this.#queue.push(job);
      this.#assign();
    });
  }

  #start() {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, result, error } }) => {
      const job = this.#running.get(id);
      this.#running.delete(id);
      this.#idle.push(worker);
      if (error === undefined) job.resolve(result);
      else job.reject(new Error(error));
      this.#assign();
    };
    worker.onerror = ({ message }) => this.#fail(message);
    worker.onmessageerror = () => this.#fail("a message between the page and a worker was lost");
    return worker;
  }

  /** Ends all work; a file that is missing or of a wrong type leaves no message. */
  #fail(message) {
    const reason = message || "worker.js or ONNX Runtime cannot be loaded from this server";
    this.#failure ??= new Error(`The network does not run: ${reason}.`);
    for (const job of [...this.#running.values(), ...this.#queue]) job.reject(this.#failure);
    this.#running.clear();
    this.#queue = [];
    this.onFailure?.(this.#failure);
  }

  #assign() {
    while (this.#idle.length && this.#queue.length) {
      const job = this.#queue.shift();
      let task = null;
      try {
        task = job.makeTask();
      } catch (error) {
        job.reject(error);
      }
      if (task === null) {
        job.resolve(null); // without effect after an error
        continue;
      }
      const id = this.#next++;
      this.#running.set(id, job);
      this.#idle.pop().postMessage({ id, task }, [task.tile.data.buffer]);
    }
  }
}
