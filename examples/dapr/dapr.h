/* dapr.h - the import module `dapr` of Trilby: what a function may ask of Dapr, as far as its manifest grants it.
 *
 * Copy this file into your project; there is no library to link. Every text is a pointer and a length in bytes, with no
 * NUL behind it. Each function but the two for answers asks the app's sidecar and waits for the answer: that counts
 * against limits.wall and limits.host_calls_per_second, and to neither limits.cpu nor anybody else's time. What the
 * answer holds the host keeps until the next request; take it with dapr_answer_size() and dapr_answer_read(). What a
 * request gives, and what it is answered, has at most 4 MiB.
 *
 *   names (app_id, store, pubsub, binding, operation,
 *   job)                                                1 to 128 of: letters, digits, -._
 *   keys                                                1 to 256 of: letters, digits, -._~:@+=,
 *   topics and methods                                  keys with single '/' between them, 256 bytes together
 *   none is ".", and nowhere are two points in a row
 */
#ifndef TRILBY_DAPR_H
#define TRILBY_DAPR_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the functions return. */
enum dapr_errno {
  DAPR_SUCCESS = 0,
  DAPR_INVALID = 1,    /* an address outside of the memory, a text made of what it must not be made of, no JSON */
  DAPR_DENIED = 2,     /* the manifest does not grant it (the log says what would) */
  DAPR_NOT_FOUND = 3,  /* no such key */
  DAPR_TOO_LARGE = 4,  /* what is given, or what comes back */
  DAPR_FAILED = 5,     /* Dapr, or who is behind it, refuses or does not answer in time */
  DAPR_BUSY = 6,       /* too much is asked at once; may be tried again */
  DAPR_NO_SIDECAR = 7, /* there is nobody to ask */
  DAPR_CONFLICT = 8,   /* somebody else has it, or it changed meanwhile */
};

#define DAPR_IMPORT(name) __attribute__((import_module("dapr"), import_name(name)))

/* Calls METHOD of an app ("orders/7?full=1") with GET, POST, PUT, PATCH or DELETE. DAPR_SUCCESS when the app answered,
 * whatever its `status` is; the answer is its body. An empty content type means application/octet-stream. */
DAPR_IMPORT("invoke")
enum dapr_errno dapr_invoke(const char* app_id, size_t app_id_length, const char* method, size_t method_length,
                            const char* verb, size_t verb_length, const char* content_type, size_t content_type_length,
                            const void* body, size_t body_length, uint32_t* status);

/* The answer is the value. DAPR_NOT_FOUND: there is none. */
DAPR_IMPORT("state_get")
enum dapr_errno dapr_state_get(const char* store, size_t store_length, const char* key, size_t key_length);

/* The value is a JSON text, for that is what Dapr's stores are given. (daprd keeps numbers as doubles.) */
DAPR_IMPORT("state_save")
enum dapr_errno dapr_state_save(const char* store, size_t store_length, const char* key, size_t key_length,
                                const void* value, size_t value_length);

DAPR_IMPORT("state_delete")
enum dapr_errno dapr_state_delete(const char* store, size_t store_length, const char* key, size_t key_length);

/* Saves and deletes 1 to 128 states of a store together, each key once, where the manifest grants every single one; a
 * JSON text as Dapr has it, in which a request may have "etag", "options" and, when it saves, a time to live:
 *   [{"operation":"upsert","request":{"key":"k","value":1,"etag":"7","metadata":{"ttlInSeconds":"60"},
 *     "options":{"concurrency":"first-write","consistency":"strong"}}},
 *    {"operation":"delete","request":{"key":"l"}}]
 * One with an etag, or "first-write", needs a grant to read that state as well.
 * DAPR_CONFLICT: an etag is not that of its state any more. (What the others come to then is the store's: Redis' makes
 * them all the same.) */
DAPR_IMPORT("state_transaction")
enum dapr_errno dapr_state_transaction(const char* store, size_t store_length, const void* operations, size_t length);

/* Reads 1 to 100 states of a store, ["k","l"], each key once, where the manifest grants every single one. The answer is
 *   [{"key":"k","data":1,"etag":"7"},{"key":"l"}]
 * in any order, without data and etag where there is no such state. */
DAPR_IMPORT("state_get_bulk")
enum dapr_errno dapr_state_get_bulk(const char* store, size_t store_length, const void* keys, size_t keys_length);

/* Data of any content type; empty: application/octet-stream. */
DAPR_IMPORT("publish")
enum dapr_errno dapr_publish(const char* pubsub, size_t pubsub_length, const char* topic, size_t topic_length,
                             const char* content_type, size_t content_type_length, const void* data,
                             size_t data_length);

/* Data are a JSON text, or nothing. The answer is what the component says, and may be empty. */
DAPR_IMPORT("binding")
enum dapr_errno dapr_binding(const char* name, size_t name_length, const char* operation, size_t operation_length,
                             const void* data, size_t data_length);

/* The answer is the value of the secret; a JSON object of texts where the store keeps several under that key. */
DAPR_IMPORT("secret")
enum dapr_errno dapr_secret(const char* store, size_t store_length, const char* key, size_t key_length);

/* The answer is the value of a configuration. DAPR_NOT_FOUND: there is none. */
DAPR_IMPORT("configuration_get")
enum dapr_errno dapr_configuration_get(const char* store, size_t store_length, const char* key, size_t key_length);

/* Locks a resource (a key) for an owner (a key too: what nobody else calls himself), for 1 to 86400 seconds; then it is
 * free by itself. DAPR_CONFLICT: it is locked already, be it by the same owner. */
DAPR_IMPORT("lock")
enum dapr_errno dapr_lock(const char* store, size_t store_length, const char* resource, size_t resource_length,
                          const char* owner, size_t owner_length, uint32_t seconds);

/* Frees it. DAPR_NOT_FOUND: it is not locked (any more). DAPR_CONFLICT: another owner has it. */
DAPR_IMPORT("unlock")
enum dapr_errno dapr_unlock(const char* store, size_t store_length, const char* resource, size_t resource_length,
                            const char* owner, size_t owner_length);

/* Has Dapr's scheduler bring the app a job; a JSON text, each member of it or not, but one of the first two:
 *   {"schedule":"@every 1m","dueTime":"10s","repeats":5,"ttl":"1h","data":{"any":"JSON"},"overwrite":true,
 *    "failurePolicy":{"constant":{"interval":"5s","maxRetries":3}}}                      or {"drop":{}}
 * Without data it brings null. DAPR_CONFLICT: there is a job of that name, and it is not to be overwritten. */
DAPR_IMPORT("job_schedule")
enum dapr_errno dapr_job_schedule(const char* name, size_t name_length, const void* what, size_t what_length);

/* DAPR_SUCCESS also when there is no such job. */
DAPR_IMPORT("job_delete") enum dapr_errno dapr_job_delete(const char* name, size_t name_length);

/* What follows is for functions that Dapr calls as an actor ([[app.ID.actor]]): each is about that actor and no other,
 * and needs no grant. DAPR_DENIED: the function is not called as one. (A deactivated actor may read its state still.)
 */

/* The answer is the value, a JSON text. DAPR_NOT_FOUND: there is none. */
DAPR_IMPORT("actor_state_get") enum dapr_errno dapr_actor_state_get(const char* key, size_t key_length);

/* Changes 1 to 128 keys, all of them or none; a JSON text as Dapr has it, each key once:
 *   [{"operation":"upsert","request":{"key":"count","value":7}},{"operation":"delete","request":{"key":"old"}}] */
DAPR_IMPORT("actor_state_change") enum dapr_errno dapr_actor_state_change(const void* operations, size_t length);

/* Has the actor called again, with DAPR_ACTOR_REMINDER the `name`, whatever restarts until then. A JSON text, each
 * member of it or not:
 *   {"dueTime":"10s","period":"1m","ttl":"1h","data":{"any":"JSON"}}
 * Empty: there is to be no reminder of that name any more. */
DAPR_IMPORT("actor_reminder")
enum dapr_errno dapr_actor_reminder(const char* name, size_t name_length, const void* what, size_t what_length);

/* The same with DAPR_ACTOR_TIMER, while the actor is active. */
DAPR_IMPORT("actor_timer")
enum dapr_errno dapr_actor_timer(const char* name, size_t name_length, const void* what, size_t what_length);

/* Calls a method of any actor, as far as allow.dapr.actors grants it ("TYPE/METHOD"); the answer is what that answers.
 * The type and the method are names, the id is a key. An actor that comes back to itself waits for its own end, unless
 * its type has `reentrancy`. */
DAPR_IMPORT("actor_invoke")
enum dapr_errno dapr_actor_invoke(const char* type, size_t type_length, const char* id, size_t id_length,
                                  const char* method, size_t method_length, const char* content_type,
                                  size_t content_type_length, const void* data, size_t data_length);

/* Bytes of the answer to the last request; 0 when that did not end with DAPR_SUCCESS. */
DAPR_IMPORT("answer_size") size_t dapr_answer_size(void);

/* Copies `length` bytes of that answer, from its byte `from` on. DAPR_INVALID when it does not have them. */
DAPR_IMPORT("answer_read") enum dapr_errno dapr_answer_read(size_t from, void* buffer, size_t length);

#undef DAPR_IMPORT

#ifdef __cplusplus
}
#endif

#endif
