# SPDX-License-Identifier: MIT
"""Each function that the programs call from outside fails in its turn, or it is said here why not."""

import fnmatch
import subprocess

PROGRAMS = ("oauth2.fcgi", "oauth2-admin")

# {why: names, also with *}
LEFT_OUT = {
    "frees or ends": """
        *_free *_clear_free *_pop_free *_cleanup *_delete *_free_all *_release *_close closedir closefrom exit
        _exit raise mdb_txn_abort freeReplyObject freeaddrinfo globfree64 redisFree json_delete munmap""",
    "looks at what is there, or takes hold of it": """
        ASN1_STRING_get0_data ASN1_STRING_length ASN1_TYPE_get BIO_s_mem BN_is_* BN_num_bits CRYPTO_memcmp
        ECDSA_SIG_get0_* ERR_* EVP_PKEY_get_base_id EVP_PKEY_get_bits EVP_sha256 GENERAL_NAME_get0_value
        OBJ_nid2obj OBJ_obj2nid OBJ_sn2nid OPENSSL_sk_num OPENSSL_sk_value OpenSSL_version X509_ALGOR_get0
        X509_NAME_ENTRY_* X509_NAME_entry_count X509_NAME_get_entry X509_get0_not* X509_get_subject_name
        json_array_get json_array_size json_equal json_get_alloc_funcs json_integer_value
        json_null json_object_get json_real_value json_string_length json_string_value json_true
        seccomp_syscall_resolve_name ferror get*id getppid getenv isatty *strerror""",
    "writes where there is room": """
        EVP_MD_CTX_set_flags OPENSSL_cleanse OSSL_PARAM_construct_* json_set_alloc_funcs yaml_parser_set_input_string
        curl_easy_reset sigaddset sigemptyset setvbuf umask __explicit_bzero_chk""",
    "computes": """
        curl_getdate dirname getopt_long inet_* mem* __mem* qsort str[cnr]* strlen snprintf __*snprintf_chk timegm
        __errno_location __stack_chk_fail __longjmp_chk""",
    "fails for nothing but memory, or numbers that a program does not get wrong": """
        BN_mod_word json_array json_array_append_new json_dumpb json_integer json_loadb json_object
        json_object_set_new json_pack json_string json_stringn seccomp_attr_set seccomp_rule_add_array strdup
        strndup __vasprintf_chk yaml_parser_initialize yaml_parser_parse curl_easy_getinfo curl_easy_setopt""",
    "is written to a stream: what fails is seen when the stream is flushed": """
        __*printf_chk fputc putc puts""",
    "nobody has to know whether it did anything": "malloc_trim mallopt nanosleep sched_yield",
    "cannot fail as it is called: own children, own limits, a clock, known signals": """
        kill clock_gettime getrlimit64 signal sysconf""",
    "is for a terminal, which there is none of": "tcgetattr tcsetattr",
}


def names(path, option):
    """The dynamic symbols of a file, without their versions."""
    lines = subprocess.run(["nm", "-D", option, str(path)], check=True, capture_output=True, text=True).stdout
    found = (line.split() for line in lines.splitlines())
    return {words[-1].split("@")[0] for words in found if words[-2] not in ("w", "v", "V")}


def forgotten(build):
    """What one of the programs calls that neither fails nor is left out."""
    used = set().union(*(names(build / program, "--undefined-only") for program in PROGRAMS))
    hooked = names(build / "torture" / "shim.so", "--defined-only")
    patterns = [pattern for some in LEFT_OUT.values() for pattern in some.split()]
    return sorted(name for name in used - hooked
                  if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))
