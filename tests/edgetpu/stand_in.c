/* A stand-in for libedgetpu: no Edge TPU is behind it.

It has the same entry points and takes over 'edgetpu-custom-op' as the real library does. What it
computes is its own: output i is input i, plus 1 where i is odd. STAND_IN in the environment makes
it fail in one of the ways of the real one. The structures are the fields of TensorFlow Lite's C
interface (tflite/core/c/common.h) that it needs, in their places. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { int size, data[]; } Ints;
typedef struct {
  int type; uint8_t *data; Ints *dims; float scale; int zero_point, allocation; size_t bytes;
  void *mapped, *name, *delegate; int handle; _Bool is_stale, is_variable;
  int quantization; void *details, *sparsity, *signature;
} Tensor;
typedef struct { Ints *inputs, *outputs; } Node;
typedef struct Context Context;
typedef struct {
  void *init, *free; int (*prepare)(Context *, Node *), (*invoke)(Context *, Node *);
  void *profiling; int32_t builtin; const char *name; int version;
  void *external, *async; uint64_t in_place;
} Registration;
typedef struct Delegate {
  void *data; int (*prepare)(Context *, struct Delegate *); void *from, *to, *release;
  int64_t flags; void *opaque;
} Delegate;
struct Context {
  size_t size; int (*plan)(Context *, Ints **); Tensor *tensors; void *own, *resize;
  void (*report)(Context *, const char *, ...); void *add;
  int (*node)(Context *, int, Node **, Registration **);
  int (*replace)(Context *, Registration, const Ints *, Delegate *);
};

static int verbosity, invocations;

static int is(const char *way) {
  const char *asked = getenv("STAND_IN");
  return asked && !strcmp(asked, way);
}

static void crash(void) { *(volatile int *)0 = 0; }

static int prepare_node(Context *context, Node *node) {
  if (!is("newer model")) return 0;
  context->report(context, "Failed to prepare for TPU. Failed precondition: Package requires runtime "
                           "version (14), which is newer than this runtime version (13).");
  return 1;
}

static int invoke(Context *context, Node *node) {
  if (!node->outputs->size) return 0; /* nothing reads what was taken over */
  Tensor *input = &context->tensors[node->inputs->data[0]];
  Tensor *output = &context->tensors[node->outputs->data[0]];
  if (++invocations == 3 && is("crash at the third")) crash();
  for (size_t i = 0; i < output->bytes; ++i)
    output->data[i] = input->data[i % input->bytes] + i % 2;
  return 0;
}

static int take_over(Context *context, Delegate *delegate) {
  Ints *plan;
  if (context->plan(context, &plan)) return 1;
  Ints *taken = calloc(plan->size + 1, sizeof(int));
  for (int i = 0; i < plan->size; ++i) {
    Node *node;
    Registration *registration;
    if (context->node(context, plan->data[i], &node, &registration)) return 1;
    if (registration->name && !strcmp(registration->name, "edgetpu-custom-op"))
      taken->data[taken->size++] = plan->data[i];
  }
  Registration kernel = {.prepare = prepare_node, .invoke = invoke, .name = "StandIn", .version = 1};
  int status = context->replace(context, kernel, taken, delegate);
  free(taken);
  return status;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void *report) {
  if (is("crash at once")) crash();
  if (is("no permission")) { /* the real one does not call 'report' either */
    if (verbosity) fputs("I driver/usb/local_usb_device.cc:125] ConvertLibUsbError: USB error -3 "
                         "[OpenDevice]\n", stderr);
    return NULL;
  }
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->prepare = take_over;
  delegate->flags = 1; /* allows dynamic tensors */
  return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
void edgetpu_verbosity(int level) { verbosity = level; }
const char *edgetpu_version(void) { return "BuildLabel(stand-in), RuntimeVersion(13)"; }
