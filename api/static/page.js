// Start GraphiQL against this server. The query stands in the address, so that it can be shared; the token,
// where the server wants one, is asked for once and kept by this tab only.

const EXAMPLE = `# Ask the lineage graph. Ctrl-Enter runs the query, Ctrl-Space completes it.
# Wherever a ref is asked for: a name, name@v3, name@alias, an id, a digest, or a prefix of one.

{
  repository {
    id
    events
  }
  models(first: 10) {
    nodes {
      ref
      createdAt
      run {
        ref
        used {
          role
          artifact {
            ref
            digest
          }
        }
      }
    }
  }
}
`;
const TOKEN = "lin-token";

const address = new URL(window.location.href);

function remember(name, value) {
  if (value) {
    address.searchParams.set(name, value);
  } else {
    address.searchParams.delete(name);
  }
  window.history.replaceState(null, "", address);
}

async function send(parameters, headers) {
  const token = window.sessionStorage.getItem(TOKEN);
  return window.fetch("/graphql", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: JSON.stringify(parameters),
  });
}

let asked = null;

async function ask(parameters, options) {
  const headers = (options && options.headers) || {};
  let response = await send(parameters, headers);
  if (response.status === 401) {
    // Several requests may be refused at once; people should be asked once.
    asked = asked || Promise.resolve(window.prompt("This server wants a token:"));
    const token = await asked;
    asked = null;
    if (token) {
      window.sessionStorage.setItem(TOKEN, token.trim());
      response = await send(parameters, headers);
    }
    if (response.status === 401) {
      window.sessionStorage.removeItem(TOKEN);
    }
  }
  return response.json();
}

function Page() {
  const [query] = React.useState(address.searchParams.get("query") || EXAMPLE);
  const [variables] = React.useState(address.searchParams.get("variables") || undefined);
  const [plugins] = React.useState(() => [GraphiQLPluginExplorer.explorerPlugin()]);
  return React.createElement(GraphiQL, {
    fetcher: ask,
    plugins,
    query,
    variables,
    onEditQuery: (text) => remember("query", text),
    onEditVariables: (text) => remember("variables", text),
    defaultEditorToolsVisibility: true,
    isHeadersEditorEnabled: true,
    shouldPersistHeaders: false,
    inputValueDeprecation: true,
  });
}

ReactDOM.createRoot(document.getElementById("graphiql")).render(React.createElement(Page));
