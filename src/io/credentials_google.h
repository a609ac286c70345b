/*
 * Who we are to Google: found once a process, as Google's own libraries look for it.
 *
 *   GOOGLE_APPLICATION_CREDENTIALS   a file: service_account, authorized_user, external_account,
 *                                    impersonated_service_account
 *   gcloud's file                    $CLOUDSDK_CONFIG or ~/.config/gcloud, then
 *                                    application_default_credentials.json
 *   the metadata server              of a machine in Google's cloud (GCE_METADATA_HOST;
 *                                    NO_GCE_CHECK=true: do not look)
 *   nobody                           public buckets can be read
 *
 * Tokens are kept by the process and refreshed five minutes before they end. They and the keys are
 * wiped when done with, and are in no message.
 */
#ifndef SM_IO_CREDENTIALS_GOOGLE_H
#define SM_IO_CREDENTIALS_GOOGLE_H

#include "io/http.h"

enum { SM_IDENTITY_MAX = 256 };

/* Tokens from now on are good for all services that the account may use (Dataproc), not for storage
 * alone. Before the first token. */
void sm_google_want_cloud_platform(void);

/* Adds the Authorization header, if we are somebody. user is not used. */
sm_http_authorize sm_google_authorize;
/* A token that was refused is fetched anew, once a while. */
sm_http_refused sm_google_refused;

/* "the service account x@y", "anonymous": as last used. */
void sm_google_identity(char identity[SM_IDENTITY_MAX]);

#endif
