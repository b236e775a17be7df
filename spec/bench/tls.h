/* The canned service behind TLS. */
#ifndef TLS_H
#define TLS_H

#include "canned.h"

/* Starts it with a certificate for 127.0.0.1, PEM with its key behind it, which clients may trust
 * as their authority. Ends the program when it cannot. */
canned tls_service_start(const char *certificate_file);

#endif
