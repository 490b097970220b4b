"use strict";

// Passkeys (WebAuthn Level 2). A form with data-passkey is sent once the browser has asked its authenticator:
// "create" makes a passkey, "prove" shows one of somebody known, "sign-in" one of whoever it is. The options come from
// the element that data-options names; for "sign-in" they are fetched, since only the first press of the button needs them.
(function () {
  function bytes(text) {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (character) => character.charCodeAt(0));
  }

  function text(buffer) {
    const plain = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  }

  function known(credentials) {
    return (credentials || []).map((each) => ({ ...each, id: bytes(each.id) }));
  }

  function creation(options, alone) {
    const selection = { ...options.authenticatorSelection };
    if (alone) {
      selection.residentKey = "required";
      selection.requireResidentKey = true;
      selection.userVerification = "required";
    }
    return {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: known(options.excludeCredentials),
      authenticatorSelection: selection,
    };
  }

  function assertion(options) {
    return { ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) };
  }

  // The JSON form of a credential (WebAuthn Level 3, RegistrationResponseJSON and AuthenticationResponseJSON).
  function asJson(credential) {
    const response = {};
    for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (credential.response[name]) response[name] = text(credential.response[name]);
    }
    if (credential.response.getTransports) response.transports = credential.response.getTransports();
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment,
      response: response,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  }

  async function fetched(form) {
    const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error("The server gave no challenge.");
    return (await answer.json()).request_options.publicKey;
  }

  function written(form) {
    const data = JSON.parse(document.getElementById(form.dataset.options).textContent);
    return (data.creation_options || data.request_options).publicKey;
  }

  async function ask(form) {
    if (form.dataset.passkey === "create") {
      const alone = form.elements.passwordless && form.elements.passwordless.checked;
      return navigator.credentials.create({ publicKey: creation(written(form), alone) });
    }
    const options = form.dataset.passkey === "sign-in" ? await fetched(form) : written(form);
    return navigator.credentials.get({ publicKey: assertion(options) });
  }

  function tell(form, error) {
    const place = form.querySelector("[data-passkey-problem]");
    const refused = error.name === "NotAllowedError" || error.name === "AbortError";
    const present = error.name === "InvalidStateError";
    place.textContent = refused
      ? "No passkey was given. Try again, or use another way."
      : present ? "This device holds a passkey of yours already." : "The browser could not do it: " + error.message;
    place.hidden = false;
  }

  async function send(form) {
    try {
      form.elements.credential.value = asJson(await ask(form));
      form.submit();
    } catch (error) {
      tell(form, error);
    }
  }

  if (!window.PublicKeyCredential) return;
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
})();
