// Spring Boot: the checks that go with application.yaml (oauth2-admin verifier spring-boot).
//
// Where:   src/main/java/com/example/ApiSecurity.java; the package is your application's.
// Needs:   Spring Boot 3.1 or later with spring-boot-starter-oauth2-resource-server
// Test:    as application.yaml says
// Checked: as application.yaml says. The decoder is made here, because the one that Spring Boot makes
//          accepts a token without exp, and leaves typ to what its version thinks of it.

package com.example;

import java.time.Duration;
import java.util.List;
import java.util.Objects;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
public class ApiSecurity {
    private static final String PROPERTIES = "spring.security.oauth2.resourceserver.jwt.";
    private static final List<String> TYPES = List.of({{types_text}});
    private static final String SCOPE = "{{scope}}";

    // A scope in the token is an authority with SCOPE_ before it, whether scope is an array or a text.
    @Bean
    SecurityFilterChain api(HttpSecurity http) throws Exception {
        return http
            .sessionManagement(session -> session.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
            .csrf(csrf -> csrf.disable())
            .authorizeHttpRequests(requests -> requests.anyRequest().hasAuthority("SCOPE_" + SCOPE))
            .oauth2ResourceServer(server -> server.jwt(Customizer.withDefaults()))
            .build();
    }

    @Bean
    JwtDecoder jwtDecoder(@Value("${" + PROPERTIES + "issuer-uri}") String issuer,
            @Value("${" + PROPERTIES + "jwk-set-uri}") String jwks,
            @Value("${" + PROPERTIES + "audiences[0]}") String audience) {
        NimbusJwtDecoder decoder = NimbusJwtDecoder.withJwkSetUri(jwks)
            .jwsAlgorithms(algorithms -> List.of({{algorithms_text}}).forEach(
                name -> algorithms.add(SignatureAlgorithm.from(name))))
            .jwtProcessorCustomizer(processor -> processor.setJWSTypeVerifier((type, context) -> { }))
            .build();

        decoder.setJwtValidator(new DelegatingOAuth2TokenValidator<>(
            new JwtTimestampValidator(Duration.ofSeconds(10)),
            new JwtIssuerValidator(issuer),
            new JwtClaimValidator<Object>("exp", Objects::nonNull),
            new JwtClaimValidator<List<String>>("aud", list -> list != null && list.contains(audience)),
            new JwtClaimValidator<Object>("cnf", Objects::isNull),
            typeValidator()));
        return decoder;
    }

    private static OAuth2TokenValidator<Jwt> typeValidator() {
        OAuth2Error error = new OAuth2Error("invalid_token", "The type is not that of an access token", null);

        return jwt -> TYPES.contains(String.valueOf(jwt.getHeaders().get("typ")))
            ? OAuth2TokenValidatorResult.success() : OAuth2TokenValidatorResult.failure(error);
    }
}
